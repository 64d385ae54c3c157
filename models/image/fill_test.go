package image

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func mustParse(tb testing.TB, config string, channels, height, width int) Spec {
	tb.Helper()
	s, err := ParseSpec([]byte(config), channels, height, width)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustRGB(tb testing.TB, s Spec, h, w int) *Image {
	tb.Helper()
	img, err := s.FromRGB(noise(h, w, 3), h, w)
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

func TestFillPutsChannelsInPlanes(t *testing.T) {
	s := mustParse(t, `{"do_rescale":false,"do_normalize":false}`, 3, 2, 3)
	img, err := s.FromRGB([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 18)
	if err := s.Fill(got, img); err != nil {
		t.Fatal(err)
	}
	if want := []float32{0, 3, 6, 9, 12, 15, 1, 4, 7, 10, 13, 16, 2, 5, 8, 11, 14, 17}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A crop computes only the pixels that it keeps. They must equal those of the whole image.
func TestCropIsAPartOfTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for f := nearest; f <= hamming; f++ {
		for range 40 {
			h, w := 1+rng.IntN(60), 1+rng.IntN(60)
			channels := 1 + 2*rng.IntN(2)
			img := &Image{Pix: noise(h, w, channels), Height: h, Width: w, Channels: channels}
			rows, cols := axis{in: h, out: 12 + rng.IntN(40)}, axis{in: w, out: 12 + rng.IntN(40)}
			rows.kept, cols.kept = rows.out, cols.out
			all := new(scratch).resample(img, rows, cols, f)
			r, c := rows.cropped(12, rng.IntN(2) > 0), cols.cropped(12, false)
			part := new(scratch).resample(img, r, c, f)
			for y := range 12 {
				want := all.pix[(r.skip+y)*all.stride+c.skip*channels:][:12*channels]
				if got := part.pix[y*part.stride:][:12*channels]; !slices.Equal(got, want) {
					t.Fatalf("filter %d, %+v, %+v: row %d is %v, want %v", f, rows, cols, y, got, want)
				}
			}
		}
	}
}

// The 32-bit sums of a pass depend on this.
func TestTapsAddUpToOneAndCannotOverflow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for f := lanczos; f <= hamming; f++ {
		for range 500 {
			a := axis{in: 1 + rng.IntN(200), out: 1 + rng.IntN(200)}
			a.kept = a.out
			var x taps
			x.compute(f, a)
			for i := range x.first {
				sum, magnitude := 0, 0
				for _, w := range x.weights[i*x.stride:][:x.count[i]] {
					sum += int(w)
					magnitude += max(int(w), -int(w))
				}
				if off := sum - 1<<fixedBits; max(off, -off) > int(x.count[i]) {
					t.Fatalf("filter %d, %d to %d: taps of %d add up to %d", f, a.in, a.out, i, sum)
				}
				if magnitude*10 > 16<<fixedBits {
					t.Fatalf("filter %d, %d to %d: taps of %d have a magnitude of %d", f, a.in, a.out, i, magnitude)
				}
			}
		}
	}
}

func TestFillRejects(t *testing.T) {
	s := mustParse(t, `{"do_resize":false}`, 3, 4, 4)
	long := mustParse(t, `{"size":{"shortest_edge":64},"do_center_crop":true}`, 3, 4, 4)
	good, buffer := mustRGB(t, s, 4, 4), make([]float32, 48)
	for _, c := range []struct {
		name string
		s    Spec
		dst  []float32
		img  *Image
		want error
	}{
		{"a short buffer", s, buffer[:47], good, ErrShape},
		{"a grey image for a colour model", s, buffer, &Image{Pix: noise(4, 4, 1), Height: 4, Width: 4, Channels: 1}, ErrShape},
		{"missing pixels", s, buffer, &Image{Pix: good.Pix[:47], Height: 4, Width: 4, Channels: 3}, ErrShape},
		{"no image", s, buffer, &Image{Channels: 3}, ErrShape},
		{"another size without a resize", s, buffer, mustRGB(t, s, 4, 5), ErrShape},
		{"a very long image that keeps its aspect ratio", long, buffer, mustRGB(t, s, 20_000, 1), ErrTooLarge},
	} {
		if err := c.s.Fill(c.dst, c.img); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestFromRGB(t *testing.T) {
	for _, c := range []struct{ n, h, w int }{{47, 4, 4}, {49, 4, 4}, {0, 0, 4}, {0, 4, 0}, {12, -2, -2}, {48, 3, 5}, {12, 1 << 62, 4}} {
		if _, err := (Spec{Channels: 3}).FromRGB(make([]byte, c.n), c.h, c.w); !errors.Is(err, ErrShape) {
			t.Errorf("%d bytes as %d×%d: error %v", c.n, c.h, c.w, err)
		}
	}
	pix := []byte{255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9}
	img, err := Spec{Channels: 1}.FromRGB(pix, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{76, 150, 29, 9}; !slices.Equal(img.Pix, want) {
		t.Errorf("greys %v, want %v", img.Pix, want)
	}
	if pix[0] != 255 {
		t.Error("the caller's pixels were changed")
	}
}

// It uses a scratch of its own: the garbage collector and the race detector empty pools.
func TestScratchIsReused(t *testing.T) {
	for _, config := range []string{`{"resample":0}`, `{"resample":1}`, `{"do_center_crop":true,"size":{"shortest_edge":40}}`} {
		s := mustParse(t, config, 3, 32, 32)
		dst, work := make([]float32, 3*32*32), new(scratch)
		for _, side := range []int{50, 32} {
			img := mustRGB(t, s, side, side)
			n := testing.AllocsPerRun(10, func() {
				rows, cols, err := s.axes(img.Height, img.Width)
				if err != nil {
					t.Fatal(err)
				}
				s.normalize(dst, work.resample(img, rows, cols, s.filter), rows.pad, cols.pad)
			})
			if n > 0 {
				t.Errorf("%s of side %d: %v allocations", config, side, n)
			}
		}
	}
}

func TestFillIsConcurrent(t *testing.T) {
	s := mustParse(t, `{}`, 3, 16, 16)
	var wg sync.WaitGroup
	for i := range 8 {
		img := mustRGB(t, s, 20+i, 40-i)
		want := make([]float32, 3*16*16)
		if err := s.Fill(want, img); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			got := make([]float32, len(want))
			for range 50 {
				if err := s.Fill(got, img); err != nil || !slices.Equal(got, want) {
					t.Errorf("image %d differs when filled concurrently (error %v)", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFill(b *testing.B) {
	for _, c := range []struct {
		name, config string
		h, w         int
	}{
		{"as-is", `{}`, 224, 224},
		{"bilinear", `{}`, 480, 640},
		{"bicubic", `{"resample":3}`, 480, 640},
		{"lanczos", `{"resample":1}`, 480, 640},
		{"nearest", `{"resample":0}`, 480, 640},
		{"bilinear", `{}`, 1536, 2048},
		{"crop", `{"size":{"shortest_edge":256},"do_center_crop":true}`, 480, 640},
	} {
		b.Run(fmt.Sprintf("op=fill/filter=%s/from=%dx%d", c.name, c.h, c.w), func(b *testing.B) {
			s := mustParse(b, c.config, 3, 224, 224)
			img, dst := mustRGB(b, s, c.h, c.w), make([]float32, 3*224*224)
			b.SetBytes(int64(len(img.Pix)))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Fill(dst, img); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
