package synth

import (
	"fmt"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/zoo"
)

// Install puts the models that --model names into a store.
func Install(s *store.Store, model string) error {
	if model == "" || model == "zoo" {
		return installZoo(s)
	}
	if sy, ok := Specs[model]; ok {
		return sy.Install(s)
	}
	if err := installCheckpoint(s, model); err != nil {
		return fmt.Errorf("--model %s: %w", model, err)
	}
	return nil
}

// installCheckpoint makes a family around a checkpoint.
func installCheckpoint(s *store.Store, dir string) error {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	sy := Specs["vit-b16"]
	sy.Name, sy.Config = "checkpoint", string(c.Config)
	sy.read = func(tensor string, dst []float32) error {
		t, ok := c.Tensor(tensor)
		if !ok {
			return fmt.Errorf("tensor %q is missing", tensor)
		}
		return t.Float32(dst)
	}
	return sy.Install(s)
}

// installZoo puts the embedded family into a store.
func installZoo(s *store.Store) error {
	_, err := zoo.Install(s)
	return err
}
