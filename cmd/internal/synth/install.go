package synth

import (
	"fmt"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/zoo"
)

// Install stores the models that --model of bench names: the embedded family, a known
// spec, or a family around a checkpoint.
func Install(s *store.Store, model string) error {
	if model == "" || model == "zoo" {
		_, err := zoo.Install(s)
		return err
	}
	if spec, ok := Specs[model]; ok {
		return spec.Install(s)
	}
	if err := installCheckpoint(s, model); err != nil {
		return fmt.Errorf("--model %s: %w", model, err)
	}
	return nil
}

// installCheckpoint stores a synthetic family whose mean is a checkpoint.
func installCheckpoint(s *store.Store, dir string) error {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	spec := Specs["vit-b16"]
	spec.Name, spec.Config = "checkpoint", string(c.Config)
	spec.read = func(tensor string, dst []float32) error {
		t, ok := c.Tensor(tensor)
		if !ok {
			return fmt.Errorf("tensor %q is missing", tensor)
		}
		return t.Float32(dst)
	}
	return spec.Install(s)
}
