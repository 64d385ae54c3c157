package load

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"eigenserve/cmd/internal/dataset"
	"eigenserve/cmd/internal/synth"
)

// maxImages is the largest number of different images that a load sends.
const maxImages = 16

// requestImages returns the content of the image files in a folder, or without a
// folder synthetic images of a size.
func requestImages(dir string, height, width int) ([][]byte, error) {
	if dir == "" {
		return synth.Images(height, width, maxImages)
	}
	var out [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !dataset.IsImageFile(d) || len(out) == maxImages {
			return err
		}
		raw, err := os.ReadFile(path)
		out = append(out, raw)
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s has no files", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("--images: %w", err)
	}
	return out, nil
}
