package subspace

import "math"

// scaleFloor times the largest scale of a side is the smallest: a direction that no fitted
// checkpoint uses is unlikely in the next one, but not impossible.
const scaleFloor = 1e-5

// scales returns the scales for the entropy coder: it predicts left[i]·right[j] as the mean
// magnitude of C_ij. λ and μ are the energies in each left and right direction, of all
// checkpoints together. C_ij is assumed to be a Laplace variable of variance
// λᵢμⱼ/(energy·checkpoints), whose mean magnitude is its standard deviation over √2. On real
// families the full matrix of variances gave no shorter code than this product.
func scales(lambda, mu []float64, energy float64, checkpoints int) (left, right []float32) {
	k := 1.0
	if energy > 0 {
		k = math.Pow(1/(2*energy*float64(checkpoints)), 0.25)
	}
	return side(lambda, k), side(mu, k)
}

// side returns the scales of one side.
func side(energies []float64, k float64) []float32 {
	largest := 0.0
	for _, e := range energies {
		largest = max(largest, e)
	}
	out := make([]float32, len(energies))
	for i, e := range energies {
		if largest == 0 { // one checkpoint, or equal ones
			e, largest = 1, 1
		}
		out[i] = float32(k * max(math.Sqrt(max(e, 0)), scaleFloor*math.Sqrt(largest)))
	}
	return out
}
