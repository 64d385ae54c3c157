package runtime

import (
	"fmt"

	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// keptMetric keeps what a metric is made of in the fit's folder, or in memory
// where there is none.
type keptMetric struct {
	work   *fitWork
	layers map[int]subspace.LayerMetric
	costs  [][]float64 // of vectors
}

// metricVectors is where the folder has the costs of vectors.
const metricVectors = "metric-vectors"

func metricLayer(i int) string { return fmt.Sprintf("metric-%04d", i) }

// hasAll tells whether layers from from to before to, and the vectors, are there.
func (k *keptMetric) hasAll(from, to int) bool {
	if k.work == nil || !k.work.kept.Has(metricVectors) {
		return false
	}
	for i := from; i < to; i++ {
		if !k.work.kept.Has(metricLayer(i)) {
			return false
		}
	}
	return true
}

// take keeps the moments of layers from from to before to.
func (k *keptMetric) take(m *nn.Moments, from, to int) error {
	for i := from; i < to; i++ {
		l := subspace.LayerMetric{Input: m.Input(i), Output: m.Output(i)}
		if k.work == nil {
			k.layers[i] = l
		} else if err := k.work.kept.PutNumbers(metricLayer(i), map[string][]float32{"input": l.Input, "output": l.Output}); err != nil {
			return err
		}
	}
	k.costs = m.Vectors()
	if k.work == nil {
		return nil
	}
	numbers := map[string][]float32{}
	for i, v := range k.costs {
		numbers[fmt.Sprint(i)] = singles(v)
	}
	return k.work.kept.PutNumbers(metricVectors, numbers)
}

// get is a Metric's Layer.
func (k *keptMetric) get(i int) (subspace.LayerMetric, error) {
	if k.work == nil {
		return k.layers[i], nil
	}
	n := k.work.kept.Numbers(metricLayer(i))
	if n == nil {
		return subspace.LayerMetric{}, fmt.Errorf("what was measured of layer %d is gone from the store; run fit again", i)
	}
	return subspace.LayerMetric{Input: n["input"], Output: n["output"]}, nil
}

// vectors are the costs of so many vectors. They are rounded as the folder keeps
// them, so that a fit that was cut off comes to the same basis.
func (k *keptMetric) vectors(n int) ([][]float64, error) {
	numbers := map[string][]float32{}
	if k.work != nil {
		numbers = k.work.kept.Numbers(metricVectors)
	}
	out := make([][]float64, n)
	for i := range out {
		v, ok := numbers[fmt.Sprint(i)]
		if !ok && k.costs != nil {
			v = singles(k.costs[i])
		}
		for _, x := range v {
			out[i] = append(out[i], float64(x))
		}
	}
	return out, nil
}

func singles(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}
