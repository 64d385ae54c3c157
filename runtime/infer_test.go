package runtime

import (
	"context"
	"eigenserve/runtime/internal/testfamily"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestInferAnswersAsClassify sends several inputs at once, as images and as pixel values.
// Each is answered as Classify answers it alone.
func TestInferAnswersAsClassify(t *testing.T) {
	for _, factored := range []bool{false, true} {
		eng := tinyEngine(t, Options{Factored: factored})
		var in, prepared Inputs
		prepared.Shape = [3]int{3, 8, 8}
		for seed := range uint64(3) {
			file := picture(seed, 9, 11)
			in.Images = append(in.Images, file)
			pixels, err := prepare(testfamily.Model().Input().Image, file)
			must(err)
			prepared.Pixels = append(prepared.Pixels, pixels...)
		}
		for _, in := range []Inputs{in, prepared} {
			out, err := eng.Infer(context.Background(), "m2", in)
			if err != nil {
				t.Fatal(err)
			}
			if out.Rows != 3 || len(out.Logits) != 3*len(out.Labels) || out.Variant != "m2" || out.Timing.Compute <= 0 {
				t.Fatalf("Infer returned %+v, want 3 rows of m2", out)
			}
			for i := range 3 {
				a, want := classify(t, eng, "m2", picture(uint64(i), 9, 11))
				for j, label := range out.Labels {
					if got := float64(out.Logits[i*len(out.Labels)+j]); math.Abs(got-want[label]) > 1e-4 || a.Digest != out.Digest {
						t.Errorf("in row %d of %.12s, %q scores %g; want %g by %.12s", i, out.Digest, label, got, want[label], a.Digest)
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
	for _, test := range []struct {
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
		if _, err := eng.Infer(context.Background(), "m1", test.in); codeOf(err) != test.code || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want code %d and %q", test.name, err, test.code, test.want)
		}
	}
	if _, err := eng.Infer(context.Background(), "nobody", Inputs{Images: [][]byte{nil}}); codeOf(err) != NotFound {
		t.Errorf("an unknown model: %v, want code NotFound", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := eng.Infer(ctx, "m1", Inputs{Images: [][]byte{picture(1, 8, 8)}}); err != context.Canceled {
		t.Errorf("canceled: %v, want context.Canceled", err)
	}
	if n := eng.Counters(); n.Failures != n.Requests-1 || n.Canceled != 1 {
		t.Errorf("counters %+v, want every request failed but the canceled one", n)
	}
}
