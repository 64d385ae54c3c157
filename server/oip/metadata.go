package oip

import (
	"strconv"
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
	InputPixels  = "pixel_values"
	InputImage   = "image"
	OutputLogits = "logits"
)

// Datatypes of the tensors that are read or written here.
const (
	FP32  = "FP32"
	Bytes = "BYTES"
)

// ServerMetadata names the server and what it speaks.
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

// tensorMetadata tells the shape of a tensor; -1 is any number.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    shape  `json:"shape"`
}

// ServerMetadata describes the server.
func (s *Service) ServerMetadata() ServerMetadata {
	return ServerMetadata{"eigenserve", s.Version, extensions}
}

// ModelMetadata tells of the version that a reference stands for.
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
