package image

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFillFromReduced(t *testing.T) {
	for name, settings := range map[string]string{
		"resized":   `{"size":{"height":8,"width":8}}`,
		"unchanged": `{"do_resize":false}`,
		"nearest":   `{"size":{"height":8,"width":8},"resample":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := ParseSpec([]byte(settings), 3, 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			h, w := 13, 9
			if name == "unchanged" {
				h, w = 8, 8
			}
			r, pix := rand.New(rand.NewPCG(1, 1)), make([]byte, h*w*3)
			for i := range pix {
				pix[i] = byte(r.Uint32())
			}
			img := &Image{Pix: pix, Height: h, Width: w, Channels: 3}
			want, got := make([]float32, 8*8*3), make([]float32, 8*8*3)
			if err := spec.Fill(want, img); err != nil {
				t.Fatal(err)
			}
			reduced, err := spec.Reduce(img)
			if err != nil {
				t.Fatal(err)
			}
			if err := spec.Fill(got, reduced); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Error("the reduced image fills other values")
			}
		})
	}
	t.Run("of the wrong length", func(t *testing.T) {
		spec, err := ParseSpec(nil, 3, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spec.Reduce(&Image{Pix: make([]byte, 5), Height: 1, Width: 1, Channels: 3}); err == nil {
			t.Error("no error")
		}
	})
}
