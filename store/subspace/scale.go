package subspace

import "math"

// scaleFloor, times the largest of a side, is the smallest scale: a direction
// that no fitted checkpoint used is unlikely in the next, not impossible.
const scaleFloor = 1e-5

// scales gives what the coder is told to expect of the coefficients: the mean
// magnitude of C_ij is left[i]·right[j]. With λ and μ the energies in each left
// and right direction, of all checkpoints together, C_ij is taken for a Laplace
// variable of variance λᵢμⱼ/(energy·checkpoints), whose mean magnitude is its
// standard deviation over √2. Measured on real families, this product codes as
// short as the full matrix of variances does.
func scales(lambda, mu []float64, energy float64, checkpoints int) (left, right []float32) {
	k := 1.0
	if energy > 0 {
		k = math.Pow(1/(2*energy*float64(checkpoints)), 0.25)
	}
	return side(lambda, k), side(mu, k)
}

func side(energies []float64, k float64) []float32 {
	most := 0.0
	for _, e := range energies {
		most = max(most, e)
	}
	out := make([]float32, len(energies))
	for i, e := range energies {
		if most == 0 { // one checkpoint, or all alike
			e, most = 1, 1
		}
		out[i] = float32(k * max(math.Sqrt(max(e, 0)), scaleFloor*math.Sqrt(most)))
	}
	return out
}
