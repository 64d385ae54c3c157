package synth

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
)

// Images returns n PNG images of waves of colour, the same ones every time.
func Images(height, width, n int) ([][]byte, error) {
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

// NoisePNG returns a PNG image of random colours, the same one every time.
func NoisePNG(height, width int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	r := rand.New(rand.NewPCG(1, 2))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // cannot happen: encoding to memory
	}
	return b.Bytes()
}
