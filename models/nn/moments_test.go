package nn_test

import (
	"testing"

	"eigenserve/models/nn"
)

func TestRestoreRejectsCountsOfOtherLayers(t *testing.T) {
	b := nn.NewBuilder()
	b.Linear("a", true, 2, 3)
	b.Linear("b", false, 3, 2)
	b.Parameter("c", 4)
	p, err := b.Plan()
	if err != nil {
		t.Fatal(err)
	}
	vectors := [][]float64{make([]float64, 4)}
	for what, c := range map[string]nn.Counts{
		"no layers":       {Vectors: vectors},
		"one layer more":  {Rows: []int{1, 2, 3}, Vectors: vectors},
		"no vectors":      {Rows: []int{1, 2}},
		"a short vector":  {Rows: []int{1, 2}, Vectors: [][]float64{{1}}},
		"one vector more": {Rows: []int{1, 2}, Vectors: append(vectors, []float64{1})},
	} {
		m := nn.NewMoments(p)
		if m.Restore(c) {
			t.Errorf("%s: accepted", what)
		}
		if got := m.Counts(); got.Spans != 0 || len(got.Rows) != 2 || len(got.Vectors) != 1 || len(got.Vectors[0]) != 4 {
			t.Errorf("%s: counts changed to %+v", what, got)
		}
	}
	m := nn.NewMoments(p)
	if !m.Restore(nn.Counts{Spans: 5, Rows: []int{1, 2}, Vectors: vectors}) || m.Counts().Spans != 5 {
		t.Error("counts of the same layers are rejected")
	}
}
