package image

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden returns the cases of a file written by testdata/_gen/golden.py.
func golden[T any](tb testing.TB, name string) []T {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	var file struct{ Cases []T }
	if err := json.Unmarshal(data, &file); err != nil {
		tb.Fatal(err)
	}
	if len(file.Cases) == 0 {
		tb.Fatalf("%s has no cases", name)
	}
	return file.Cases
}

type resizeCase struct {
	Resample      filter
	Before, After [2]int
	Channels      int
	Want          []byte
}

type decodeCase struct {
	Name            string
	Height, Width   int
	File, RGB, Grey []byte
}

type pipelineCase struct {
	Name       string
	Config     json.RawMessage
	File, Want []byte
}

// noise returns the pixels of golden.py's noise.
func noise(h, w, c int) []byte {
	x, pix := uint32(1), make([]byte, h*w*c)
	for i := range pix {
		x = x*1664525 + 1013904223
		pix[i] = byte(max(0, min(2*int(x>>24)-128, 255)))
	}
	return pix
}

// furthest returns the largest difference between two slices of levels.
func furthest(t *testing.T, got, want []byte) int {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d levels, want %d", len(got), len(want))
	}
	worst := 0
	for i := range got {
		worst = max(worst, int(got[i])-int(want[i]), int(want[i])-int(got[i]))
	}
	return worst
}

func TestResizeEqualsPillow(t *testing.T) {
	for _, c := range golden[resizeCase](t, "resize.json") {
		img := &Image{Pix: noise(c.Before[0], c.Before[1], c.Channels), Height: c.Before[0], Width: c.Before[1], Channels: c.Channels}
		rows := axis{in: c.Before[0], out: c.After[0], kept: c.After[0]}
		cols := axis{in: c.Before[1], out: c.After[1], kept: c.After[1]}
		v := new(scratch).resample(img, rows, cols, c.Resample)
		if d := furthest(t, v.pix[:v.height*v.stride], c.Want); d > 0 {
			t.Errorf("resample %d, %v to %v, %d channels: off by up to %d levels", c.Resample, c.Before, c.After, c.Channels, d)
		}
	}
}

// jpegBound is the largest difference between a JPEG's levels and libjpeg's. The two inverse
// transforms round differently by one level of luma or chroma, and a level of chroma counts up to
// 1.772. On large images of noise and of smooth colour, at every quality, the mean is 0.05, and under
// 1% are off by more than one.
const jpegBound = 3

func TestDecodeEqualsPillow(t *testing.T) {
	for _, c := range golden[decodeCase](t, "decode.json") {
		for channels, want := range map[int][]byte{3: c.RGB, 1: c.Grey} {
			img, err := Spec{Channels: channels}.Decode(c.File)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			if img.Height != c.Height || img.Width != c.Width || img.Channels != channels {
				t.Errorf("%s: %d×%d×%d, want %d×%d×%d", c.Name, img.Height, img.Width, img.Channels, c.Height, c.Width, channels)
				continue
			}
			bound := 0
			if strings.HasPrefix(c.Name, "jpeg") {
				bound = jpegBound
			}
			d := furthest(t, img.Pix, want)
			if d > bound {
				t.Errorf("%s, %d channels: off by up to %d levels, want at most %d", c.Name, channels, d, bound)
			}
			t.Logf("%s, %d channels: %d", c.Name, channels, d)
		}
	}
}

func TestPipelineEqualsTransformers(t *testing.T) {
	for _, c := range golden[pipelineCase](t, "pipeline.json") {
		s, err := ParseSpec(c.Config, 3, 24, 24)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		img, err := s.Decode(c.File)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		got := make([]float32, 3*24*24)
		if err := s.Fill(got, img); err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		bound := 0.0 // in levels of the image
		if strings.Contains(c.Name, "jpeg") {
			bound = jpegBound
		}
		worst := 0.0
		for i := range got {
			want := math.Float32frombits(binary.LittleEndian.Uint32(c.Want[4*i:]))
			step := float64(s.levels[i/576*256+1] - s.levels[i/576*256])
			worst = max(worst, math.Abs(float64(got[i]-want))/step)
		}
		if worst > bound*1.001 {
			t.Errorf("%s: off by up to %.3g levels, want at most %g", c.Name, worst, bound)
		}
		t.Logf("%s: %.3g levels", c.Name, worst)
	}
}

// timm rescales and normalises with other roundings, of less than a thousandth of a level.
func TestPipelineEqualsTimm(t *testing.T) {
	for _, c := range golden[pipelineCase](t, "timm.json") {
		s, err := ParseSpec(c.Config, 3, 24, 24)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		img, err := s.Decode(c.File)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		got := make([]float32, 3*24*24)
		if err := s.Fill(got, img); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for i := range got {
			want := math.Float32frombits(binary.LittleEndian.Uint32(c.Want[4*i:]))
			step := float64(s.levels[i/576*256+1] - s.levels[i/576*256])
			if d := math.Abs(float64(got[i]-want)) / step; d > 1e-3 {
				t.Errorf("%s: value %d is %g, want %g: off by %.3g levels", c.Name, i, got[i], want, d)
				break
			}
		}
	}
}
