package load

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/synth"
)

// requestImages are the encoded images that a load asks with: the files of a folder,
// or made-up ones of the model's own size.
func requestImages(dir string, height, width, most int) ([][]byte, error) {
	if dir == "" {
		return synth.Images(height, width, most)
	}
	var out [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !dataset.IsImageFile(d) || len(out) == most {
			return err
		}
		raw, err := os.ReadFile(path)
		out = append(out, raw)
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s holds no files", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("--images: %w", err)
	}
	return out, nil
}
