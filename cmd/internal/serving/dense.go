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

// DenseBaseline loads the dense checkpoints in a folder instead of rebuilding
// weights. If there are fewer checkpoints than variants, several variants share
// one. Every load reads from the disk, since the comparison gives both servers the
// same memory and the page cache would add to it.
func DenseBaseline(dir string) (runtime.Dense, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "config.json"))
	if err != nil || len(folders) == 0 {
		return nil, fmt.Errorf("%s has no checkpoints; `eigenserve bench checkpoints --out %s` makes some", dir, dir)
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
			c.Prefetch(next[tensor])
			defer c.Evict(tensor)
			return t.Float32(dst)
		}
		done := func() error { return errors.Join(c.Close(), dropCheckpoint(folder)) }
		return read, done, nil
	}, nil
}

// dropCheckpoint drops a checkpoint's weights from the page cache.
func dropCheckpoint(folder string) error {
	f, err := os.Open(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		return err
	}
	defer f.Close()
	dropCached(f)
	return nil
}
