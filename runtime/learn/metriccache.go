package learn

import (
	"fmt"
	"strconv"

	"eigenserve/models/nn"
	"eigenserve/store/subspace"
)

// metricCache holds the measured parts of a metric: in the workspace of the fit, or in
// memory if there is none.
type metricCache struct {
	work       *workspace
	layers     map[int]subspace.LayerMetric
	vectorCost [][]float64
}

// metricVectors is the name of the costs of vectors in the workspace.
const metricVectors = "metric-vectors"

// metricLayer returns the name of a layer's metric in the workspace.
func metricLayer(i int) string { return fmt.Sprintf("metric-%04d", i) }

// hasAll reports whether the workspace has the layers in [from, to) and the vectors.
func (c *metricCache) hasAll(from, to int) bool {
	if c.work == nil || !c.work.parts.Has(metricVectors) {
		return false
	}
	for i := from; i < to; i++ {
		if !c.work.parts.Has(metricLayer(i)) {
			return false
		}
	}
	return true
}

// put stores the metric of the layers in [from, to) and of the vectors.
func (c *metricCache) put(m *nn.Moments, from, to int) error {
	for i := from; i < to; i++ {
		l := subspace.LayerMetric{Input: m.Input(i), Output: m.Output(i)}
		if c.work == nil {
			c.layers[i] = l
		} else if err := c.work.parts.PutNumbers(metricLayer(i), map[string][]float32{"input": l.Input, "output": l.Output}); err != nil {
			return err
		}
	}
	c.vectorCost = m.Vectors()
	if c.work == nil {
		return nil
	}
	numbers := map[string][]float32{}
	for i, v := range c.vectorCost {
		numbers[strconv.Itoa(i)] = float32s(v)
	}
	return c.work.parts.PutNumbers(metricVectors, numbers)
}

// layer returns the metric of the i-th layer.
func (c *metricCache) layer(i int) (subspace.LayerMetric, error) {
	if c.work == nil {
		return c.layers[i], nil
	}
	n := c.work.parts.Numbers(metricLayer(i))
	if n == nil {
		return subspace.LayerMetric{}, fmt.Errorf("the measurement of layer %d has disappeared from the store; run fit again", i)
	}
	return subspace.LayerMetric{Input: n["input"], Output: n["output"]}, nil
}

// vectors returns the costs of n vectors. They are rounded as in the workspace even if
// there is none, so that an interrupted fit comes to the same basis.
func (c *metricCache) vectors(n int) [][]float64 {
	numbers := map[string][]float32{}
	if c.work != nil {
		numbers = c.work.parts.Numbers(metricVectors)
	}
	out := make([][]float64, n)
	for i := range out {
		v, ok := numbers[strconv.Itoa(i)]
		if !ok && c.vectorCost != nil {
			v = float32s(c.vectorCost[i])
		}
		for _, x := range v {
			out[i] = append(out[i], float64(x))
		}
	}
	return out
}

// float32s returns v rounded to float32.
func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}
