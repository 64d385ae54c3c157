// Package models is the explicit table of the architectures that can be served,
// and the interface that they share. How each works is its own package's matter.
package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"eigenserve/models/image"
	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

// Model is an architecture as one checkpoint's configuration fixes it. It holds
// no weights and is safe for concurrent use.
type Model interface {
	// Plan lists the weights, in the order that slabs and bases follow.
	Plan() *nn.Plan
	// Labels are the names of the checkpoint's logits, in their order.
	Labels() []string
	// Pixels says how an image file becomes the input of Forward.
	Pixels() image.Spec
	// Tokens is the number of rows that one image makes.
	Tokens() int
	// Architecture names everything that the answers depend on but weights and
	// labels: two checkpoints of one family have the same.
	Architecture() string
	// Forward answers the pass's images (images, channels, height, width) with
	// one slice of logits each, which lie in the pass.
	Forward(p *nn.Pass, images []float32) ([][]float32, error)
}

// ErrArchitecture marks a configuration that no architecture here reads.
var ErrArchitecture = errors.New("unknown architecture")

// architectures is the table: model_type as config.json has it, and who reads
// it.
var architectures = []struct {
	modelType string
	open      func(config, preprocessor []byte) (Model, error)
}{
	{"vit", func(c, p []byte) (Model, error) { return vit.New(c, p) }},
}

// Open reads a checkpoint's config.json and preprocessor_config.json (nil for
// the defaults) into a model. A model_type that is not in the table gives
// ErrArchitecture with those that are.
func Open(config, preprocessor []byte) (Model, error) {
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("models: read config.json: %w", err)
	}
	var known []string
	for _, a := range architectures {
		if a.modelType == c.ModelType {
			m, err := a.open(config, preprocessor)
			if err != nil {
				return nil, fmt.Errorf("models: open: %w", err)
			}
			return m, nil
		}
		known = append(known, a.modelType)
	}
	return nil, fmt.Errorf("models: %w: model_type %q (known: %s)",
		ErrArchitecture, c.ModelType, strings.Join(known, ", "))
}
