package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// openProbes reads unlabelled images: a safetensors file with images U8
// [n,h,w,3], or a folder of image files at any depth. No path gives nil: the
// built-in ones.
func openProbes(path string) (*gate.Probes, error) {
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
		return nil, fmt.Errorf("--probes %s: %w", path, err)
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
		if err == nil && isContent(d) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--probes: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("--probes %s holds no files", dir)
	}
	return &gate.Probes{Count: len(paths), Image: fileAt(paths)}, nil
}

// isContent tells the files of a folder of images from what file managers leave there.
func isContent(d fs.DirEntry) bool {
	name := strings.ToLower(d.Name())
	return d.Type().IsRegular() && !strings.HasPrefix(name, ".") && name != "thumbs.db" && name != "desktop.ini"
}

// metricSummary says what a fit's metric was measured on.
func metricSummary(o learn.Options, probes string) string {
	switch {
	case o.Metric == subspace.MetricNone:
		return "No metric: an error costs the same wherever it is."
	case probes == "":
		return fmt.Sprintf("Metric %s, measured on built-in images; --probes takes your own.", o.Metric)
	}
	return fmt.Sprintf("Metric %s, measured on the images of %s.", o.Metric, probes)
}
