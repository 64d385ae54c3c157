package runtime

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestInferAnswersAsClassifyDoes asks for several rows at once, as images and as
// pixel values: each row is what classify answers for it alone.
func TestInferAnswersAsClassifyDoes(t *testing.T) {
	for _, factored := range []bool{false, true} {
		eng := tinyEngine(t, Options{Factored: factored})
		var in, prepared Inputs
		prepared.Shape = [3]int{3, 8, 8}
		for seed := range uint64(3) {
			file := picture(seed, 9, 11)
			in.Images = append(in.Images, file)
			pixels, err := prepare(tinyModel().Input().Image, file)
			must(err)
			prepared.Pixels = append(prepared.Pixels, pixels...)
		}
		for _, in := range []Inputs{in, prepared} {
			out, err := eng.Infer(context.Background(), "m2", in)
			if err != nil {
				t.Fatal(err)
			}
			if out.Rows != 3 || len(out.Logits) != 3*len(out.Labels) || out.Variant != "m2" || out.Timing.Compute <= 0 {
				t.Fatalf("%+v", out)
			}
			for i := range 3 {
				a, want := classify(t, eng, "m2", picture(uint64(i), 9, 11))
				for j, label := range out.Labels {
					if got := float64(out.Logits[i*len(out.Labels)+j]); math.Abs(got-want[label]) > 1e-4 || a.Digest != out.Digest {
						t.Errorf("row %d: %q scores %g, want %g", i, label, got, want[label])
					}
				}
			}
		}
	}
}

func TestInferRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	row := make([]float32, 3*8*8)
	shape := [3]int{3, 8, 8}
	with := func(i int, x float64) []float32 {
		v := slices.Clone(row)
		v[i] = float32(x)
		return v
	}
	for _, c := range []struct {
		name string
		in   Inputs
		code Code
		want string
	}{
		{"nothing", Inputs{}, Invalid, "no rows"},
		{"no pixels", Inputs{Pixels: []float32{}, Shape: shape}, Invalid, "no rows"},
		{"both", Inputs{Images: [][]byte{picture(1, 8, 8)}, Pixels: row, Shape: shape}, Invalid, "not both"},
		{"another shape", Inputs{Pixels: row, Shape: [3]int{8, 8, 3}}, Invalid, "[3 8 8]"},
		{"half a row", Inputs{Pixels: row[:100], Shape: shape}, Invalid, "whole number"},
		{"NaN", Inputs{Pixels: with(5, math.NaN()), Shape: shape}, Invalid, "pixel value 5 is NaN"},
		{"infinite", Inputs{Pixels: with(6, math.Inf(-1)), Shape: shape}, Invalid, "finite"},
		{"overflowing", Inputs{Pixels: slices.Repeat([]float32{3e38}, len(row)), Shape: shape}, Invalid, "overflow"},
		{"too many", Inputs{Images: make([][]byte, MaxRows+1)}, TooLarge, "1025 rows"},
		{"a bad image among good ones", Inputs{Images: [][]byte{picture(1, 8, 8), []byte("no")}}, Unsupported, "row 1: "},
	} {
		if _, err := eng.Infer(context.Background(), "m1", c.in); codeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := eng.Infer(context.Background(), "nobody", Inputs{Images: [][]byte{nil}}); codeOf(err) != NotFound {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := eng.Infer(ctx, "m1", Inputs{Images: [][]byte{picture(1, 8, 8)}}); err != context.Canceled {
		t.Error(err)
	}
	if n := eng.Counters(); n.Failures != n.Requests-1 || n.Canceled != 1 {
		t.Errorf("%+v", n)
	}
}
