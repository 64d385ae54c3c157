// Package dataset reads images from folders and safetensors files: labelled ones to
// evaluate on, and unlabelled ones to probe with.
package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"eigenserve/models/image"
	"eigenserve/runtime/learn/eval"
	"eigenserve/store/tensorfile"
)

// OpenLabelled opens labelled images: a safetensors file with images U8 [n,h,w,3]
// and labels I32 [n], or a folder with a folder of images for each label.
func OpenLabelled(path string) (eval.Images, error) {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return eval.Images{}, fmt.Errorf("there are no labelled images at %q: give the path of some with --data", path)
		}
		return eval.Images{}, err
	}
	if info.IsDir() {
		return labelledFolder(path)
	}
	return labelledTensors(path)
}

func labelledTensors(path string) (eval.Images, error) {
	fail := func(why string) (eval.Images, error) {
		return eval.Images{}, fmt.Errorf("%s: %s; it must hold images U8 [n,height,width,3] and labels I32 [n]", path, why)
	}
	f, err := tensorfile.Open(path)
	if err != nil {
		return eval.Images{}, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	images, ok := f.Tensor("images")
	labels, okLabels := f.Tensor("labels")
	if !ok || !okLabels {
		return fail("a tensor is missing")
	}
	if !isRGB(images) || len(labels.Shape) != 1 || labels.Shape[0] != images.Shape[0] {
		return fail(fmt.Sprintf("images are %s %v and labels %s %v", images.DType, images.Shape, labels.DType, labels.Shape))
	}
	out := eval.Images{Labels: make([]int, labels.Len())}
	if err := labels.Ints(out.Labels); err != nil {
		return fail(err.Error())
	}
	out.Image = rgbImages(images)
	return out, nil
}

// imageFunc returns the i-th image, decoded according to spec.
type imageFunc = func(spec image.Spec, i int) (*image.Image, error)

// isRGB reports whether a tensor is U8 [n,height,width,3].
func isRGB(t tensorfile.Tensor) bool { return t.DType == "U8" && len(t.Shape) == 4 && t.Shape[3] == 3 }

// rgbImages returns the images of a tensor U8 [n,height,width,3], which it copies.
func rgbImages(t tensorfile.Tensor) imageFunc {
	h, w := t.Shape[1], t.Shape[2]
	pixels := append([]byte(nil), t.Data...)
	return func(spec image.Spec, i int) (*image.Image, error) {
		return spec.FromRGB(pixels[i*h*w*3:(i+1)*h*w*3], h, w)
	}
}

// decodeFiles returns the images in files, which it decodes when they are called for.
func decodeFiles(paths []string) imageFunc {
	return func(spec image.Spec, i int) (*image.Image, error) {
		raw, err := os.ReadFile(paths[i])
		if err != nil {
			return nil, err
		}
		img, err := spec.Decode(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", paths[i], err)
		}
		return img, nil
	}
}

func labelledFolder(dir string) (eval.Images, error) {
	labels, err := os.ReadDir(dir)
	if err != nil {
		return eval.Images{}, err
	}
	var out eval.Images
	var paths []string
	for _, label := range labels {
		if !label.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, label.Name()))
		if err != nil {
			return eval.Images{}, err
		}
		for _, f := range files {
			if IsImageFile(f) {
				out.Names = append(out.Names, label.Name())
				paths = append(paths, filepath.Join(dir, label.Name(), f.Name()))
			}
		}
	}
	if len(paths) == 0 {
		return out, fmt.Errorf("%s has no folders of images, one for each label", dir)
	}
	out.Image = decodeFiles(paths)
	return out, nil
}
