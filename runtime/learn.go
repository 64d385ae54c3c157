package runtime

import (
	"context"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Learn is the part of Fit that learns the basis; it stores nothing.
func Learn(ctx context.Context, name string, checkpoints []*checkpoint.Checkpoint, o FitOptions) (*store.Basis, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	return learn(ctx, name, checkpoints, o)
}
