package jpeg_test

import (
	"bytes"
	"encoding/json"
	"errors"
	stdimage "image"
	"image/color"
	stdjpeg "image/jpeg"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"strings"
	"testing"

	"eigenserve/models/image/jpeg"
)

// files returns the JPEGs that package image compares with Pillow.
func files(tb testing.TB) map[string][]byte {
	tb.Helper()
	data, err := os.ReadFile("../testdata/files.json")
	if err != nil {
		tb.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Name string
			File []byte
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		tb.Fatal(err)
	}
	found := map[string][]byte{}
	for _, c := range golden.Cases {
		if strings.HasPrefix(c.Name, "jpeg") {
			found[strings.TrimPrefix(c.Name, "jpeg ")] = c.File
		}
	}
	return found
}

// encode returns an image of smooth noise as image/jpeg encodes it.
func encode(tb testing.TB, m stdimage.Image, quality int) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, m, &stdjpeg.Options{Quality: quality}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func picture(width, height int) *stdimage.RGBA {
	random := rand.New(rand.NewPCG(1, 2))
	m := stdimage.NewRGBA(stdimage.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{uint8(5*x + random.IntN(40)), uint8(3 * y), uint8(x*y/7 + random.IntN(9)), 255})
		}
	}
	return m
}

// The planes are those of image/jpeg but for the rounding of the inverse transform.
func TestPlanesEqualImageJPEG(t *testing.T) {
	for _, quality := range []int{5, 60, 100} {
		for _, size := range [][2]int{{1, 1}, {16, 16}, {33, 17}, {70, 90}} {
			data := encode(t, picture(size[0], size[1]), quality)
			got, err := jpeg.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			want, err := stdjpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			m := want.(*stdimage.YCbCr)
			for i, plane := range [][]byte{m.Y, m.Cb, m.Cr} {
				p, stride := got.Planes[i], m.CStride
				if i == 0 {
					stride = m.YStride
				}
				for y := range p.Height {
					for x := range p.Width {
						a, b := int(p.Pix[y*p.Stride+x]), int(plane[y*stride+x])
						if a-b > 1 || b-a > 1 {
							t.Fatalf("quality %d, %v, plane %d at %d, %d: %d, want %d", quality, size, i, x, y, a, b)
						}
					}
				}
			}
		}
	}
}

func TestParseHeader(t *testing.T) {
	all := files(t)
	for name, want := range map[string]jpeg.Header{
		"1x1,1x2,1x2":                   {ColorModel: jpeg.YCbCr, Components: 3, Subsampled: true},
		"arithmetic 1x1 of quality 100": {ColorModel: jpeg.YCbCr, Components: 3},
		"arithmetic grey":               {ColorModel: jpeg.Gray, Components: 1},
		"arithmetic progressive":        {ColorModel: jpeg.YCbCr, Components: 3, Progressive: true, Subsampled: true},
		"rgb 2x2,1x1,1x1":               {ColorModel: jpeg.RGB, Components: 3, Subsampled: true},
		"cmyk without a marker":         {ColorModel: jpeg.CMYK, Components: 4},
	} {
		want.Width, want.Height = 19, 13
		if got, err := jpeg.ParseHeader(all[name]); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestUnsupported(t *testing.T) {
	all := files(t)
	for name, want := range map[string]string{
		"12 bits":      "a JPEG with 12 bits a sample cannot be read",
		"hierarchical": "a hierarchical JPEG cannot be read",
		"3x1,2x1,1x1":  "a JPEG with 2 samples for 3 pixels cannot be read",
	} {
		if _, err := jpeg.ParseHeader(all[name]); !errors.Is(err, jpeg.ErrUnsupported) || err.Error() != want {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCutShort(t *testing.T) {
	all := files(t)
	for _, name := range []string{"1x1,1x2,1x2", "arithmetic", "arithmetic progressive", "progressive 1x2,2x1,1x1"} {
		data := all[name]
		for n := range len(data) - 2 {
			if _, err := jpeg.Decode(data[:n]); err == nil && n < len(data)-8 {
				t.Errorf("%s, %d bytes of %d: no error", name, n, len(data))
			}
		}
	}
}

// A small file must not ask for more memory than its planes and coefficients, nor for endless work.
func TestHostileFiles(t *testing.T) {
	data := bytes.Clone(files(t)["arithmetic progressive"])
	frame := bytes.Index(data, []byte{0xff, 0xca})
	const side = 1000
	data[frame+5], data[frame+6], data[frame+7], data[frame+8] = side>>8, side&255, side>>8, side&255
	scan := bytes.Index(data, []byte{0xff, 0xda})
	most := uint64(side*side*3/2*(1+2) + 1<<20) // 4:2:0, a byte and a coefficient for each sample
	if used := allocated(func() { _, _ = jpeg.Decode(data) }); used > most {
		t.Errorf("%d bytes for %d samples, want at most %d", used, side*side*3/2, most)
	}
	many := bytes.Clone(data[:scan])
	for range 5000 {
		many = append(many, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 5, 0)
	}
	if _, err := jpeg.Decode(append(many, 0xff, 0xd9)); err == nil {
		t.Error("thousands of scans are read")
	}
}

func allocated(f func()) uint64 {
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	f()
	goruntime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzDecode(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Add(encode(f, picture(20, 30), 80))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := jpeg.ParseHeader(data)
		if err != nil || h.Width*h.Height > 1<<16 {
			return
		}
		m, err := jpeg.Decode(data)
		if err != nil {
			return
		}
		if m.Header != h || len(m.Planes) != h.Components {
			t.Fatalf("header %+v, decoded %+v", h, m.Header)
		}
		for _, p := range m.Planes {
			if p.Width*p.Across < h.Width || p.Height*p.Down < h.Height || len(p.Pix) < p.Stride*p.Height || p.Stride < p.Width {
				t.Fatalf("plane %dx%d of %d bytes for %+v", p.Width, p.Height, len(p.Pix), h)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := encode(b, picture(800, 600), 85)
	b.Run("image=jpeg/decoder=ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := jpeg.Decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("image=jpeg/decoder=std", func(b *testing.B) {
		for b.Loop() {
			if _, err := stdjpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
