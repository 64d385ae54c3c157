package runtime

import (
	"testing"

	"eigenserve/runtime/internal/testfamily"
)

func TestFamilies(t *testing.T) {
	eng := tinyEngine(t, Options{})
	list := eng.Families()
	if len(list) != 1 {
		t.Fatalf("%d families, want 1: %+v", len(list), list)
	}
	plan := testfamily.Model().Plan()
	parameters := 0
	for _, s := range plan.Specs() {
		n := 1
		for _, d := range s.Shape {
			n *= d
		}
		if n > 0 { // not of the head, whose shape has -1 for the labels
			parameters += n
		}
	}
	if f := list[0]; f.Name != testfamily.Name || f.Variants != testfamily.Size || f.Fitted != testfamily.Size || f.Parameters != int64(parameters) ||
		f.DenseBytes != 4*f.Parameters || f.SlabBytes != 4*int64(plan.SlabLen()) || f.Input != (Input{3, 8, 8}) || f.RMS <= 0 || f.Resident <= 0 {
		t.Errorf("%+v, want %d variants of %d parameters", f, testfamily.Size, parameters)
	}
	d, err := eng.Family(testfamily.Name)
	if err != nil || len(d.Layers) != len(plan.Layers) || d.FamilyInfo != list[0] {
		t.Errorf("Family returned %+v, %v; want %d layers and the same info as Families", d, err, len(plan.Layers))
	}
	for _, l := range d.Layers {
		if l.Left < 1 || l.Left > l.Outputs || l.Right < 1 || l.Right > l.Inputs+1 || l.Energy90 < 1 || l.Energy90 > l.Left {
			t.Errorf("layer with impossible directions: %+v", l)
		}
	}
	for name, code := range map[string]Code{"other": NotFound, "../tiny": Invalid, "": Invalid} {
		if _, err := eng.Family(name); codeOf(err) != code {
			t.Errorf("family %q: %v, want code %d", name, err, code)
		}
	}
}

func TestFamilySpectra(t *testing.T) {
	eng := tinyEngine(t, Options{})
	f, err := eng.Family(testfamily.Name)
	if err != nil || f.Metric != "full" || f.Lineage == nil || f.Lineage.Cosine.Min < 0.9 {
		t.Errorf("%+v, %v; want the metric full and one lineage", f, err)
	}
	for _, l := range f.Layers {
		last := l.Spectrum.Left[len(l.Spectrum.Left)-1]
		if l.Spectrum.LeftFor[1] != l.Energy90 || last > 1e-3 || l.Spectrum.LeftFor[2] > testfamily.Size*l.Inputs {
			t.Errorf("%s: 90%% of the energy in %d directions, spectrum %+v", l.Name, l.Energy90, l.Spectrum)
		}
	}
}
