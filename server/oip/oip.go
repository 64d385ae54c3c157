// Package oip is the Open Inference Protocol v2: what REST and gRPC share of it, the
// reading and writing of REST's bodies, and the gRPC server. The routes of REST are the
// server's; it calls Service.
package oip

import (
	"context"

	"eigenserve/runtime"
)

// Engine is what the protocol needs of the engine.
type Engine interface {
	// Infer answers several inputs by one variant; they are the engine's to keep.
	Infer(ctx context.Context, name string, in runtime.Inputs) (runtime.Outputs, error)
	// Ready tells whether a request would be answered: nil, or why not.
	Ready(name string) error
	Stats(name string) ([]runtime.VersionStats, error)
	// Variants lists at most limit variants by name, those after the given one;
	// next is "" on the last page.
	Variants(after string, limit int) (list []runtime.VariantInfo, next string)
	Variant(name string) (runtime.VariantDetail, error)
	// PutVariant makes a variant file the next version of a name.
	PutVariant(ctx context.Context, name string, file []byte) (info runtime.VariantInfo, replaced bool, err error)
	// Unload refuses requests for a name from then on, Load allows them again.
	Load(name string) error
	Unload(name string) error
}

// Service answers what the protocol asks, however the request came.
type Service struct {
	Engine  Engine
	Version string // of the program
	// Observe is told of each inference that was answered.
	Observe func(ctx context.Context, variant, digest string, t runtime.Timing)
}

// Infer answers a request by the version that a reference stands for.
func (s *Service) Infer(ctx context.Context, ref string, q *InferRequest) (runtime.Outputs, error) {
	out, err := s.Engine.Infer(ctx, ref, q.input.inputs())
	if err == nil {
		s.Observe(ctx, out.Variant, out.Digest, out.Timing)
	}
	return out, err
}
