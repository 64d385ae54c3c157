// Package models is the table of the architectures that can be served, and the
// interface that they share. It opens a model from a checkpoint's configuration; a
// package for each architecture says how the model works. It knows nothing about
// families, stores or requests.
package models

import (
	"errors"
	"fmt"
	"strings"

	"eigenserve/models/input"
	"eigenserve/models/nn"
	"eigenserve/models/vit"
	"eigenserve/runtime/plainjson"
)

// Input is one input as a model reads it.
type Input = nn.Input

// Output is what a model answers for one input.
type Output = nn.Output

// Model is an architecture as configured by one checkpoint. It holds no weights and is
// safe for concurrent use.
type Model interface {
	// Plan lists the weights, in the order of slabs and bases. It must not be changed.
	Plan() *nn.Plan
	// Architecture names everything that logits depend on besides weights and the
	// number of labels. Checkpoints of one family have the same.
	Architecture() string
	// Labels returns the names of the checkpoint's logits, in their order.
	Labels() []string
	// CheckLabels returns an error, which says what to change in the configuration,
	// unless a head with so many outputs has a label for each.
	CheckLabels(outputs int) error
	// ProblemType returns problem_type of the checkpoint's config.json, "" if it is not
	// set. With the number of labels it says what logits stand for: see output.TaskOf.
	ProblemType() string
	// Input describes what the model reads.
	Input() input.Spec
	// Rows returns the number of rows that an input takes in a pass. It does not read
	// pixels: all images take the same.
	Rows(in Input) int
	// Forward computes the inputs of a pass that has one span for each of them, in
	// their order, and returns one output for each. The outputs lie in the pass.
	Forward(p *nn.Pass, inputs []Input) ([]Output, error)
}

// ErrArchitecture is the error for a configuration of an architecture that is not in
// the table.
var ErrArchitecture = errors.New("unknown architecture")

// architectures is the table, by the model_type of config.json.
var architectures = []struct {
	modelType string
	open      func(config, preprocessor []byte) (Model, error)
}{
	{"vit", func(c, p []byte) (Model, error) { return vit.New(c, p) }},
}

// Open reads a model from a checkpoint's config.json and preprocessor_config.json,
// which may be nil for the defaults. If the table has no architecture of the config's
// model_type, the error wraps ErrArchitecture and lists those that it has.
func Open(config, preprocessor []byte) (Model, error) {
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := plainjson.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	var known []string
	for _, a := range architectures {
		if a.modelType == c.ModelType {
			m, err := a.open(config, preprocessor)
			if err != nil { // not m, which is not nil in an interface
				return nil, err
			}
			return m, nil
		}
		known = append(known, a.modelType)
	}
	return nil, fmt.Errorf("%w: model_type %q (known: %s)", ErrArchitecture, c.ModelType, strings.Join(known, ", "))
}

// Images returns the images in pixels (n, channels, height, width) as inputs of a
// model that reads images. The inputs share the memory of pixels.
func Images(m Model, pixels []float32) []Input {
	size := m.Input().Image.Len()
	inputs := make([]Input, len(pixels)/size)
	for i := range inputs {
		inputs[i].Pixels = pixels[i*size:][:size:size]
	}
	return inputs
}

// Spans returns the spans of a pass that holds all rows of each input.
func Spans(m Model, inputs []Input) []nn.Span {
	spans := make([]nn.Span, len(inputs))
	for i, in := range inputs {
		spans[i].Rows = m.Rows(in)
	}
	return spans
}
