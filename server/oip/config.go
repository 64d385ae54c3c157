package oip

import (
	"context"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

// ModelConfig is the configuration of a model, in the form that Triton has for it.
type ModelConfig struct {
	Name         string         `json:"name"`
	Platform     string         `json:"platform"`
	Backend      string         `json:"backend"`
	MaxBatchSize int            `json:"max_batch_size"`
	Input        []inputConfig  `json:"input"`
	Output       []outputConfig `json:"output"`
}

// inputConfig describes an input. Its dimensions are those of one row.
type inputConfig struct {
	Name     string `json:"name"`
	DataType string `json:"data_type"`
	Format   string `json:"format"`
	Dims     shape  `json:"dims"`
	Optional bool   `json:"optional"` // a request has one of the inputs
}

type outputConfig struct {
	Name     string `json:"name"`
	DataType string `json:"data_type"`
	Dims     shape  `json:"dims"`
}

// ModelConfig returns the configuration of the version that a reference names, which
// follows from its description.
func (s *Service) ModelConfig(ref string) (ModelConfig, error) {
	m, err := s.ModelMetadata(ref)
	if err != nil {
		return ModelConfig{}, err
	}
	c := ModelConfig{Name: m.Name, Platform: m.Platform, Backend: platform, MaxBatchSize: runtime.MaxRows}
	for _, t := range m.Inputs {
		format := inference.ModelInput_FORMAT_NONE
		if t.Name == InputPixels {
			format = inference.ModelInput_FORMAT_NCHW
		}
		c.Input = append(c.Input, inputConfig{t.Name, dataTypes[t.Datatype].String(), format.String(), t.Shape[1:], true})
	}
	for _, t := range m.Outputs {
		c.Output = append(c.Output, outputConfig{t.Name, dataTypes[t.Datatype].String(), t.Shape[1:]})
	}
	return c, nil
}

// dataTypes are the names that configurations have for datatypes.
var dataTypes = map[string]inference.DataType{FP32: inference.DataType_TYPE_FP32, Bytes: inference.DataType_TYPE_STRING}

// ModelConfig returns the configuration of a model.
func (g *GRPC) ModelConfig(ctx context.Context, q *inference.ModelConfigRequest) (*inference.ModelConfigResponse, error) {
	ref, err := reference(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	c, err := g.api.ModelConfig(ref)
	if err != nil {
		return nil, err
	}
	m := &inference.ModelConfig{Name: c.Name, Platform: c.Platform, Backend: c.Backend, MaxBatchSize: int32(c.MaxBatchSize)}
	for _, t := range c.Input {
		m.Input = append(m.Input, &inference.ModelInput{Name: t.Name, DataType: inference.DataType(inference.DataType_value[t.DataType]),
			Format: inference.ModelInput_Format(inference.ModelInput_Format_value[t.Format]), Dims: t.Dims, Optional: t.Optional})
	}
	for _, t := range c.Output {
		m.Output = append(m.Output, &inference.ModelOutput{Name: t.Name, DataType: inference.DataType(inference.DataType_value[t.DataType]), Dims: t.Dims})
	}
	return &inference.ModelConfigResponse{Config: m}, nil
}
