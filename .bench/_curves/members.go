package main

import (
	"context"
	"fmt"
	"math"

	"eigenserve/store/subspace"
)

// targetAgreement is the agreement of the table of members.
const targetAgreement = 0.99

// membersTable prints the size that the added checkpoints need for targetAgreement, by the
// number of members that the basis was fitted on.
func membersTable(ctx context.Context, o options, fitted, added []*checkpointAt) error {
	f, err := newFamily(fitted[:1])
	if err != nil {
		return err
	}
	fmt.Println("| members fitted | size for 0.99 | step |\n|---|---|---|")
	for _, n := range []int{2, 8, 32, 128, 200} {
		if n > len(fitted) {
			break
		}
		var some []*checkpointAt
		for i := range n {
			some = append(some, fitted[i*len(fitted)/n])
		}
		b, err := fit(ctx, o, some, subspace.MetricFull)
		if err != nil {
			return err
		}
		p, err := subspace.NewProjector(b)
		if err != nil {
			return err
		}
		size, step, err := sizeNeeded(f, p, added)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.2f%% | %.2f |\n", n, 100*size, step)
	}
	return nil
}

// sizeNeeded returns the size and the step at which the mean agreement reaches
// targetAgreement. It interpolates logarithms between the last step that misses it and the
// first of two in a row that reach it.
func sizeNeeded(f *family, p *subspace.Projector, added []*checkpointAt) (size, step float64, err error) {
	var sizes, agreements, steps []float64
	for s := 11.0; s > 0.1; s /= math.Sqrt2 {
		r, err := measure(f, stepCoder("", p, s), added)
		if err != nil {
			return 0, 0, err
		}
		sizes, agreements, steps = append(sizes, r.size), append(agreements, r.agreement), append(steps, s)
		if k := len(steps) - 2; k >= 0 && agreements[k] >= targetAgreement && agreements[k+1] >= targetAgreement {
			if k == 0 {
				return sizes[0], steps[0], nil
			}
			t := (targetAgreement - agreements[k-1]) / (agreements[k] - agreements[k-1])
			return math.Exp((1-t)*math.Log(sizes[k-1]) + t*math.Log(sizes[k])), math.Exp((1-t)*math.Log(steps[k-1]) + t*math.Log(steps[k])), nil
		}
	}
	return math.NaN(), math.NaN(), nil
}
