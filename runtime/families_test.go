package runtime

import "testing"

func TestFamilies(t *testing.T) {
	eng := tinyEngine(t, Options{})
	list := eng.Families()
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	plan := tinyModel().Plan()
	parameters := 0
	for _, s := range plan.Specs() {
		n := 1
		for _, d := range s.Shape {
			n *= d
		}
		if n > 0 { // not the head's
			parameters += n
		}
	}
	if f := list[0]; f.Name != tinyFamily || f.Variants != tinyMembers || f.Fitted != tinyMembers || f.Parameters != int64(parameters) ||
		f.DenseBytes != 4*f.Parameters || f.SlabBytes != 4*int64(plan.SlabLen()) || f.Input != (Input{3, 8, 8}) || f.RMS <= 0 || f.Resident <= 0 {
		t.Errorf("%+v", f)
	}
	d, err := eng.Family(tinyFamily)
	if err != nil || len(d.Layers) != len(plan.Layers) || d.FamilyInfo != list[0] {
		t.Errorf("%+v, %v", d, err)
	}
	for _, l := range d.Layers {
		if l.Left < 1 || l.Left > l.Outputs || l.Right < 1 || l.Right > l.Inputs+1 || l.Energy90 < 1 || l.Energy90 > l.Left {
			t.Errorf("%+v", l)
		}
	}
	for name, code := range map[string]Code{"other": NotFound, "../tiny": Invalid, "": Invalid} {
		if _, err := eng.Family(name); codeOf(err) != code {
			t.Errorf("family %q: %v", name, err)
		}
	}
}

func TestFamilyTellsItsSpectra(t *testing.T) {
	eng := tinyEngine(t, Options{})
	f, err := eng.Family(tinyFamily)
	if err != nil || f.Metric != "full" || f.Lineage == nil || f.Lineage.Cosine.Min < 0.9 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, l := range f.Layers {
		last := l.Spectrum.Left[len(l.Spectrum.Left)-1]
		if l.Spectrum.LeftFor[1] != l.Energy90 || last > 1e-3 || l.Spectrum.LeftFor[2] > tinyMembers*l.Inputs {
			t.Errorf("%s: %+v", l.Name, l.Spectrum)
		}
	}
}
