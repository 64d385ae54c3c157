package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// loadImages are the encoded images that a load asks with: the files of a folder,
// or made-up ones of the model's own size.
func loadImages(dir string, height, width, most int) ([][]byte, error) {
	if dir == "" {
		return madeImages(height, width, most)
	}
	var out [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !isContent(d) || len(out) == most {
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

// madeImages are waves of colour, the same every time.
func madeImages(height, width, n int) ([][]byte, error) {
	out := make([][]byte, n)
	for i := range out {
		r := rand.New(rand.NewPCG(9, uint64(i)))
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		var down, across, phase [3]float64
		for c := range phase {
			down[c], across[c], phase[c] = 9*r.Float64(), 9*r.Float64(), 6*r.Float64()
		}
		for y := range height {
			for x := range width {
				var v [3]uint8
				for c := range v {
					v[c] = uint8(127.5 + 127*math.Sin(down[c]*float64(y)/float64(height)+across[c]*float64(x)/float64(width)+phase[c]))
				}
				img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
			}
		}
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			return nil, err
		}
		out[i] = buf.Bytes()
	}
	return out, nil
}
