package serving

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
)

// DenseBaseline serves dense checkpoints out of a folder of them in place of
// rebuilt weights. Where there are fewer than variants, several variants share
// one; each load reads it from the disk again, since the budget is what the
// weights may take, not the rest of the machine's memory.
func DenseBaseline(dir string) (runtime.Dense, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "config.json"))
	if err != nil || len(folders) == 0 {
		return nil, fmt.Errorf("%s holds no checkpoints; `eigenserve bench checkpoints --out %s` makes some", dir, dir)
	}
	return func(variant string) (func(string, []float32) error, func() error, error) {
		h := fnv.New32a()
		h.Write([]byte(variant))
		folder := filepath.Dir(folders[int(h.Sum32())%len(folders)])
		c, err := checkpoint.Open(folder)
		if err != nil {
			return nil, nil, err
		}
		names := c.Names()
		next := map[string]string{}
		for i := range names[1:] {
			next[names[i]] = names[i+1]
		}
		read := func(tensor string, dst []float32) error {
			t, ok := c.Tensor(tensor)
			if !ok {
				return fmt.Errorf("checkpoint %s: tensor %q is missing", folder, tensor)
			}
			c.Ahead(next[tensor])
			defer c.Release(tensor)
			return t.Float32(dst)
		}
		done := func() error { return errors.Join(c.Close(), dropCheckpoint(folder)) }
		return read, done, nil
	}, nil
}

// dropCheckpoint has the system forget a checkpoint's weights.
func dropCheckpoint(folder string) error {
	f, err := os.Open(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		return err
	}
	defer f.Close()
	dropCached(f)
	return nil
}
