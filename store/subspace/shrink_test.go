package subspace_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"eigenserve/store/subspace"
)

// A basis fitted on two members, which do not use most directions, codes the next checkpoint in
// about as many bytes as one fitted on many: the metric predicts the other directions.
func TestFewMembersWithMetric(t *testing.T) {
	l := one(48, 40)
	var all []subspace.Source
	for k := range 41 {
		r := rand.New(rand.NewPCG(11, uint64(k)))
		all = append(all, member(fmt.Sprint(k), l, func(string, int) float64 { return r.NormFloat64() }))
	}
	metric := randomMetric(l, subspace.MetricFull, 1)
	bytes := func(members int) float64 {
		p := projector(t, fit(t, l, all[:members], subspace.Options{Metric: metric}))
		step := 2 * projector(t, fit(t, l, all[:40], subspace.Options{Metric: metric})).Basis().RMS / p.Basis().RMS
		return float64(len(quantised(t, p, all[40], step).Coefficients))
	}
	many := bytes(40)
	for _, members := range []int{2, 5} {
		if few := bytes(members); few > 1.3*many {
			t.Errorf("%g bytes with %d members, %g with 40", few, members, many)
		}
	}
}
