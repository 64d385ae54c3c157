package dataset_test

import (
	stdimage "image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/cmd/internal/dataset"
	"eigenserve/models/image"
	"eigenserve/store/tensorfile"
)

func TestOpenProbes(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, tensors map[string]tensorfile.Tensor) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := tensorfile.Encode(f, tensors, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rgb := tensorfile.Tensor{DType: "U8", Shape: []int{2, 4, 5, 3}, Data: make([]byte, 120)}
	file := save("probes.safetensors", map[string]tensorfile.Tensor{"images": rgb})
	grey := save("grey.safetensors", map[string]tensorfile.Tensor{"images": {DType: "U8", Shape: []int{2, 60}, Data: make([]byte, 120)}})
	other := save("other.safetensors", map[string]tensorfile.Tensor{"pictures": rgb})

	folder, empty := filepath.Join(dir, "folder"), filepath.Join(dir, "empty")
	for _, d := range []string{filepath.Join(folder, "deep"), empty} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.png", "deep/b.png", "deep/c.png"} {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, stdimage.NewRGBA(stdimage.Rect(0, 0, 5, 4))); err != nil {
			t.Fatal(err)
		}
	}

	spec, err := image.ParseSpec(nil, 3, 4, 5)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, says string
		count      int
	}{
		"a file":                 {file, "", 2},
		"a folder":               {folder, "", 3},
		"an empty folder":        {empty, "has no files", 0},
		"other tensors":          {other, "images U8", 0},
		"images of wrong shape":  {grey, "images U8", 0},
		"a missing file":         {filepath.Join(dir, "none"), "--probes", 0},
		"not a safetensors file": {filepath.Join(folder, "a.png"), "--probes", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := dataset.OpenProbes(c.path)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want %q in it", err, c.says)
				}
				return
			}
			if err != nil || p.Count != c.count {
				t.Fatalf("%+v, %v", p, err)
			}
			for i := range p.Count {
				if img, err := p.Image(spec, i); err != nil || img.Height != 4 || img.Width != 5 {
					t.Errorf("image %d: %+v, %v", i, img, err)
				}
			}
		})
	}
	if p, err := dataset.OpenProbes(""); p != nil || err != nil {
		t.Errorf("no path: %+v, %v", p, err)
	}
}
