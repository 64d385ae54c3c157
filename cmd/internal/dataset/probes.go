package dataset

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"eigenserve/runtime/learn/gate"
	"eigenserve/store/tensorfile"
)

// OpenProbes opens unlabelled images: a safetensors file with images U8 [n,h,w,3],
// or a folder with image files at any depth. Without a path it returns nil, which
// stands for the built-in images.
func OpenProbes(path string) (*gate.Probes, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("--probes: %w", err)
	}
	if info.IsDir() {
		return folderProbes(path)
	}
	f, err := tensorfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--probes: %w; give a folder of images, or a safetensors file of them", err)
	}
	defer f.Close()
	images, ok := f.Tensor("images")
	if !ok || !isRGB(images) {
		return nil, fmt.Errorf("--probes %s: it must hold images U8 [n,height,width,3]", path)
	}
	return &gate.Probes{Count: images.Shape[0], Image: rgbImages(images)}, nil
}

func folderProbes(dir string) (*gate.Probes, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && IsImageFile(d) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--probes: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("--probes %s has no files", dir)
	}
	return &gate.Probes{Count: len(paths), Image: decodeFiles(paths)}, nil
}

// IsImageFile reports whether an entry of a folder of images is one of them, rather
// than something that a file manager left there.
func IsImageFile(d fs.DirEntry) bool {
	name := strings.ToLower(d.Name())
	return d.Type().IsRegular() && !strings.HasPrefix(name, ".") && name != "thumbs.db" && name != "desktop.ini"
}
