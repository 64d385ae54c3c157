package server

import (
	"strconv"

	"github.com/gofiber/fiber/v2"
)

// The Open Inference Protocol v2. What REST and gRPC share is here, in v2tensor.go
// and v2stats.go; v2infer.go, v2binary.go and v2repository.go read and write
// REST's form of it, grpc*.go gRPC's.

// platform is what models of the protocol say they run on.
const platform = "eigenserve"

// extensions of the protocol that are spoken here.
var extensions = []string{"binary_tensor_data", "classification", "model_repository", "statistics", "parameters"}

// Names of the tensors. A request has one of the two inputs.
const (
	tensorPixels = "pixel_values"
	tensorImage  = "image"
	tensorLogits = "logits"
)

// Datatypes of the tensors that are read or written here.
const (
	typeFP32  = "FP32"
	typeBytes = "BYTES"
)

type serverMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

type modelMetadata struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions"`
	Platform string           `json:"platform"`
	Inputs   []tensorMetadata `json:"inputs"`
	Outputs  []tensorMetadata `json:"outputs"`
}

// tensorMetadata tells the shape of a tensor; -1 is any number.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    shape  `json:"shape"`
}

func (s *Server) serverMetadata() serverMetadata {
	return serverMetadata{"eigenserve", s.options.Version, extensions}
}

// modelMetadata tells of the version that a reference stands for.
func (s *Server) modelMetadata(ref string) (modelMetadata, error) {
	v, err := s.engine.Variant(ref)
	if err != nil {
		return modelMetadata{}, err
	}
	m := modelMetadata{Name: v.Name, Platform: platform,
		Inputs: []tensorMetadata{
			{tensorPixels, typeFP32, shape{-1, int64(v.Input.Channels), int64(v.Input.Height), int64(v.Input.Width)}},
			{tensorImage, typeBytes, shape{-1}},
		},
		Outputs: []tensorMetadata{{tensorLogits, typeFP32, shape{-1, int64(v.Classes)}}}}
	for _, n := range v.Versions {
		m.Versions = append(m.Versions, strconv.Itoa(n))
	}
	return m, nil
}

// getServerMetadata answers GET /v2.
func (s *Server) getServerMetadata(r *request) error {
	return r.answer(fiber.StatusOK, s.serverMetadata())
}

// getModelMetadata answers GET /v2/models/{name}[/versions/{number}].
func (s *Server) getModelMetadata(r *request) error {
	ref, err := r.versioned()
	if err != nil {
		return err
	}
	m, err := s.modelMetadata(ref)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, m)
}

// getModelReady answers GET /v2/models/{name}[/versions/{number}]/ready: 200 when
// a request would be answered, whatever the server's own state.
func (s *Server) getModelReady(r *request) error {
	ref, err := r.versioned()
	if err != nil {
		return err
	}
	if err := s.engine.Ready(ref); err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{ref, true})
}
