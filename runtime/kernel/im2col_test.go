package kernel

import "testing"

func TestIm2Col(t *testing.T) {
	const channels, height, width, ph, pw = 3, 9, 8, 4, 2
	image := random(1, channels*height*width)
	var want []float64
	for y := 0; y+ph <= height; y += ph {
		for x := 0; x+pw <= width; x += pw {
			for c := range channels {
				for i := range ph {
					for j := range pw {
						want = append(want, float64(image[(c*height+y+i)*width+x+j]))
					}
				}
			}
		}
	}
	got := make([]float32, len(want))
	Im2Col(got, image, channels, height, width, ph, pw)
	near(t, "patches", got, want, 0)
}
