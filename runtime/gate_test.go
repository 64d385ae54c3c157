package runtime

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"eigenserve/models/image"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

func TestLargestStep(t *testing.T) {
	curves := map[string]func(octaves float64) float64{
		"only whether":    func(x float64) float64 { return math.Inf(int(math.Copysign(1, x-1e-9))) },
		"only by how far": func(x float64) float64 { return x },
		"half as steep":   func(x float64) float64 { return x / 2 },
		"a root":          func(x float64) float64 { return math.Copysign(math.Sqrt(math.Abs(x)), x) },
		"a square":        func(x float64) float64 { return x * math.Abs(x) },
		"ten times":       func(x float64) float64 { return 10 * x },
		"a tenth":         func(x float64) float64 { return x / 10 },
		"below only": func(x float64) float64 {
			if x > 0 {
				return math.Inf(1)
			}
			return x
		},
	}
	for name, over := range curves {
		most, sum := 0, 0
		for border := finestStep - 1; border <= mostSteps; border++ {
			tries := 0
			k, ok, err := largestStep(func(k int) (float64, error) {
				if k < finestStep || k > mostSteps {
					t.Fatalf("%s: tries step %d", name, k)
				}
				tries++
				return over(float64(k-border) / perOctave), nil
			})
			if err != nil || ok != (border >= finestStep) || k != border {
				t.Fatalf("%s: the border is %d: %d, %t, %v", name, border, k, ok, err)
			}
			most, sum = max(most, tries), sum+tries
		}
		mean := float64(sum) / (mostSteps - finestStep + 2)
		t.Logf("%s: %.1f tries, %d at most", name, mean, most)
		if most > 12 || name == "only by how far" && most > 3 || name == "half as steep" && most > 4 {
			t.Errorf("%s: %.1f tries, %d at most", name, mean, most)
		}
	}
	fails := errors.New("fails")
	if _, _, err := largestStep(func(int) (float64, error) { return 0, fails }); !errors.Is(err, fails) {
		t.Error(err)
	}
}

// Of a step that passes by luck or fails so, the neighbour decides.
func TestLargestStepAmongLuckyOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 1000 {
		over := make([]float64, mostSteps+1-finestStep)
		border := float64(r.IntN(len(over)))
		for i := range over {
			over[i] = (float64(i)-border)/perOctave + 0.3*r.NormFloat64()
		}
		k, ok, _ := largestStep(func(k int) (float64, error) { return over[k-finestStep], nil })
		if ok && over[k-finestStep] > 0 || k < mostSteps && over[k+1-finestStep] <= 0 {
			t.Fatalf("%d of %v", k-finestStep, over)
		}
	}
}

func TestCompare(t *testing.T) {
	p, q := []float32{2, 0, 0, 1}, []float32{0, 1, 1, 2} // two images of two labels
	got := compare(q, p, 2)
	share := func(a, b float64) float64 { return math.Exp(a) / (math.Exp(a) + math.Exp(b)) }
	kl := 0.0
	for _, x := range [][2]float64{{share(2, 0), share(0, 1)}, {share(0, 1), share(1, 2)}} {
		kl += (x[0]*math.Log(x[0]/x[1]) + (1-x[0])*math.Log((1-x[0])/(1-x[1]))) / 2
	}
	if got.Agreement != 0.5 || math.Abs(got.KL-kl) > 1e-4 || got.Logit != 1.5 {
		t.Errorf("%+v, want 0.5, %g, 1.5", got, kl)
	}
	if same := compare(p, p, 2); same != (store.Answers{Agreement: 1}) {
		t.Errorf("the same answers differ by %+v", same)
	}
}

// A gate takes a step that passes where the next does not, and the report says
// what it saw.
func TestGateTakesTheLargestStep(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := newTiny(77, 4).open(t, "new")
	f, _, err := eng.current(tinyFamily)
	must(err)
	var sizes []int64
	for _, kl := range []float64{1e-5, 4e-6, 1.5e-6} {
		g := Gate{MinAgreement: -1, MaxKL: kl, MaxBytes: 1 << 30}
		info, _, err := eng.Add(context.Background(), tinyFamily, "new", c, g)
		if err != nil {
			t.Fatal(err)
		}
		d, err := eng.Variant("new")
		must(err)
		m := d.Fidelity.Measured
		if m == nil || m.KL > kl || m.MaxKL != kl || m.Images < 30 || m.AtLeast >= m.Agreement || info.Agreement != m.Agreement ||
			m.Probes != store.BuiltInProbes || m.Mean.KL <= m.KL ||
			m.Random == nil || m.Random.KL <= m.KL || m.Random.KL >= m.Mean.KL {
			t.Errorf("at most %g: %+v", kl, m)
		}
		coarser, err := f.variantOf(context.Background(), c, "new", Gate{MinAgreement: -1, MaxKL: kl, Step: d.Step * math.Exp2(1./perOctave)}, 1)
		must(err)
		if d.Step < stepAt(mostSteps) && coarser.Fidelity.Measured.KL <= kl {
			t.Errorf("at most %g: step %g passes too, %g was taken", kl, coarser.Fidelity.Step, d.Step)
		}
		sizes = append(sizes, d.Fidelity.Bytes.Coefficients)
	}
	if sizes[0] >= sizes[1] || sizes[1] >= sizes[2] {
		t.Errorf("stricter gates take %v bytes", sizes)
	}
}

func TestGateRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	c := newTiny(77, 4).open(t, "new")
	strict := Gate{MinAgreement: 1, MaxKL: 1e-9, MaxBytes: 3000}
	_, _, err := eng.Add(context.Background(), tinyFamily, "new", c, strict)
	if codeOf(err) != Refused || strings.ContainsRune(err.Error(), '\n') || !strings.Contains(err.Error(), "3000 bytes") {
		t.Fatal(err)
	}
	if _, err := eng.Variant("new"); codeOf(err) != NotFound {
		t.Errorf("it was stored all the same: %v", err)
	}
	strict.AllowLossy = true
	info, _, err := eng.Add(context.Background(), tinyFamily, "new", c, strict)
	if err != nil || !info.Lossy {
		t.Fatalf("%+v, %v", info, err)
	}
	// For ever: in its file, wherever that goes.
	again, _, err := eng.PutVariant(context.Background(), "copy", fileOf(t, eng, "new"))
	if d, err2 := eng.Variant("copy"); err != nil || err2 != nil || !again.Lossy || !d.Fidelity.Lossy || d.Fidelity.Measured.MaxKL != 1e-9 {
		t.Errorf("%+v, %v, %v", again, err, err2)
	}
	strict.MaxBytes = 1
	if _, _, err := eng.Add(context.Background(), tinyFamily, "new", c, strict); codeOf(err) != Refused {
		t.Error(err)
	}
	for _, g := range []Gate{{MinAgreement: 2}, {MaxKL: -1}, {MaxKL: math.NaN()}, {MaxBytes: -1}, {Step: 1, Exact: true}} {
		if _, _, err := eng.Add(context.Background(), tinyFamily, "new", c, g); codeOf(err) != Invalid {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

func TestExactKeepsEveryBit(t *testing.T) {
	eng := tinyEngine(t, Options{})
	tiny := newTiny(77, 4)
	if _, _, err := eng.Add(context.Background(), tinyFamily, "new", tiny.open(t, "new"), Gate{Exact: true}); err != nil {
		t.Fatal(err)
	}
	v, err := store.ParseVariant(fileOf(t, eng, "new"))
	must(err)
	for name, want := range tiny.tensors {
		got, ok := v.Exact[name]
		if !ok {
			got = v.Private[name]
		}
		if got.DType != want.DType || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("tensor %q is not what came", name)
		}
	}
	classify(t, eng, "new", picture(1, 8, 8))
}

// Probes are kept with the family, and each later add is held against them.
func TestProbesAreKept(t *testing.T) {
	s := emptyStore(t)
	asked := 0
	probes := &Probes{Count: 7, Image: func(spec image.Spec, i int) (*image.Image, error) {
		asked++
		return spec.FromRGB(bytes.Repeat([]byte{byte(30 * i), 90, 200}, 9*11), 9, 11)
	}}
	fitted := []*checkpoint.Checkpoint{newTiny(1, 3).open(t, "a"), newTiny(2, 3).open(t, "b")}
	if err := Fit(context.Background(), s, "family", fitted, FitOptions{Probes: probes, Gate: Gate{Step: 2}}); err != nil {
		t.Fatal(err)
	}
	pointer, err := s.Family("family")
	must(err)
	kept, err := s.ReadProbes(pointer.Probes)
	if err != nil || kept.Count != 7 || kept.Height != 8 || kept.Width != 8 || !s.Referenced()[pointer.Probes] {
		t.Fatalf("%+v, %v", kept, err)
	}
	eng := serve(t, reopen(t, s.Dir()), Options{})
	before := asked
	if _, _, err := eng.Add(context.Background(), "family", "c", newTiny(3, 3).open(t, "c"), Gate{Step: 2}); err != nil {
		t.Fatal(err)
	}
	d, err := eng.Variant("c")
	must(err)
	if d.Fidelity.Measured.Probes != pointer.Probes || asked != before {
		t.Errorf("held against %q after asking for %d more", d.Fidelity.Measured.Probes, asked-before)
	}
}

// The mean of a family of one is its member but for its rounding: how far it
// diverges is no measure of what a difference of answers means.
func TestGateOfAFamilyOfOne(t *testing.T) {
	s := emptyStore(t)
	if err := Fit(context.Background(), s, "family", []*checkpoint.Checkpoint{newTiny(5, 4).open(t, "one")}, FitOptions{}); err != nil {
		t.Fatal(err)
	}
	eng := serve(t, s, Options{})
	if _, _, err := eng.Add(context.Background(), "family", "other", newTiny(6, 4).open(t, "other"), Gate{AllowLossy: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "other"} {
		d, err := eng.Variant(name)
		if err != nil {
			t.Fatal(err)
		}
		m := d.Fidelity.Measured
		if m == nil || m.MaxKL < plainMaxKL/4 || m.MaxKL > 2*plainMaxKL {
			t.Errorf("%s: %+v", name, m)
		}
		if name == "one" && d.Fidelity.Bytes.Coefficients > 256 {
			t.Errorf("the one member's coefficients take %d bytes", d.Fidelity.Bytes.Coefficients)
		}
	}
}

// The mean answers the same images for all variants: it is asked once, and again
// only if that failed.
func TestMeanIsReadOnce(t *testing.T) {
	var g gateImages
	reads, fails := 0, errors.New("fails")
	read := func() ([]float32, error) {
		if reads++; reads == 1 {
			return nil, fails
		}
		return []float32{1}, nil
	}
	if _, err := g.meanFeatures(read); !errors.Is(err, fails) {
		t.Errorf("the first: %v", err)
	}
	for range 2 {
		if x, err := g.meanFeatures(read); err != nil || len(x) != 1 {
			t.Errorf("%v, %v", x, err)
		}
	}
	if reads != 2 {
		t.Errorf("%d reads, want 2", reads)
	}
}
