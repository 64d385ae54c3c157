package oip

import "strconv"

// platform is the platform that models of the protocol name.
const platform = "eigenserve"

// extensions are the protocol's extensions that the server supports.
var extensions = []string{"binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics", "parameters"}

// Names of the tensors. A request has one of the two inputs.
const (
	InputPixels  = "pixel_values"
	InputImage   = "image"
	OutputLogits = "logits"
)

// Datatypes of the tensors.
const (
	FP32  = "FP32"
	Bytes = "BYTES"
)

// ServerMetadata describes the server.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// ModelMetadata describes a model.
type ModelMetadata struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions"`
	Platform string           `json:"platform"`
	Inputs   []tensorMetadata `json:"inputs"`
	Outputs  []tensorMetadata `json:"outputs"`
}

// tensorMetadata describes a tensor. A dimension of -1 may have any size.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    shape  `json:"shape"`
}

// ServerMetadata returns the description of the server.
func (s *Service) ServerMetadata() ServerMetadata {
	return ServerMetadata{"eigenserve", s.Version, extensions}
}

// ModelMetadata returns the description of the version that a reference names.
func (s *Service) ModelMetadata(ref string) (ModelMetadata, error) {
	v, err := s.Engine.Variant(ref)
	if err != nil {
		return ModelMetadata{}, err
	}
	m := ModelMetadata{Name: v.Name, Platform: platform,
		Inputs: []tensorMetadata{
			{InputPixels, FP32, shape{-1, int64(v.Input.Channels), int64(v.Input.Height), int64(v.Input.Width)}},
			{InputImage, Bytes, shape{-1}},
		},
		Outputs: []tensorMetadata{{OutputLogits, FP32, shape{-1, int64(v.Classes)}}}}
	for _, n := range v.Versions {
		m.Versions = append(m.Versions, strconv.Itoa(n))
	}
	return m, nil
}
