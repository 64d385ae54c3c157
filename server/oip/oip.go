// Package oip implements the Open Inference Protocol v2: what REST and gRPC have in
// common, the bodies of REST, and the gRPC server. The routes of REST belong to the
// server, which passes their bodies to Service.
package oip

import (
	"context"

	"eigenserve/runtime"
)

// Engine is what the protocol needs of the engine. The server's Engine says what its
// methods have in common.
type Engine interface {
	// Infer answers several inputs by one variant. The engine may keep them.
	Infer(ctx context.Context, name string, in runtime.Inputs) (runtime.Outputs, error)
	// Ready returns nil if a request would be answered, and otherwise why not.
	Ready(name string) error
	// Stats returns the statistics of the version that a reference names, or for ""
	// of all versions that have had requests.
	Stats(name string) ([]runtime.VersionStats, error)
	// Variants returns at most limit variants by name, starting after the given one.
	// next is "" on the last page.
	Variants(after string, limit int) (list []runtime.VariantInfo, next string)
	Variant(name string) (runtime.VariantDetail, error)
	// PutVariant adds a variant file as the next version of a name.
	PutVariant(ctx context.Context, name string, file []byte) (info runtime.VariantInfo, replaced bool, err error)
	// Unload refuses requests for a name from then on, Load allows them again.
	Load(name string) error
	Unload(name string) error
}

// Service answers the requests of the protocol over REST and gRPC.
type Service struct {
	Engine  Engine
	Version string // of the program
	// Observe is called with each inference that was answered.
	Observe func(ctx context.Context, variant, digest string, t runtime.Timing)
}

// Infer answers a request by the variant that a reference names.
func (s *Service) Infer(ctx context.Context, ref string, q *InferRequest) (runtime.Outputs, error) {
	out, err := s.Engine.Infer(ctx, ref, q.input.inputs())
	if err == nil {
		s.Observe(ctx, out.Variant, out.Digest, out.Timing)
	}
	return out, err
}
