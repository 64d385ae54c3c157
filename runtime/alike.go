package runtime

import "math"

// Labels that look alike turn into one another sooner than others when a model
// is changed a little, and neither the probes nor built-in images show it: they
// are of none of a checkpoint's labels. Its head does, whose rows of labels that
// are hard to tell apart point nearly the same way. On the zoo that tells which
// variants' answers a coarse step turns better (rank correlation 0.6 to 0.8 in
// each group) than anything that they answer to probes (0.2 to 0.65).
const (
	// usualAlikeness is that of most heads: they are held to the default share.
	usualAlikeness = 0.175
	// alikePower is how fast the share falls with a head's alikeness.
	alikePower = 4
	// leastLeniency and mostLeniency bound what is made of a head.
	leastLeniency, mostLeniency = 0.25, 2
)

// leniency is what the divergence that a gate allows is multiplied by, for a head
// of labels that are more or less alike than is usual.
func leniency(head []float32, labels, inputs int) float64 {
	if labels < 3 { // two are as far apart as can be, whatever they are
		return 1
	}
	x := max(alikeness(head, labels, inputs), usualAlikeness/16)
	return max(leastLeniency, min(mostLeniency, math.Pow(usualAlikeness/x, alikePower)))
}

// alikeness is the mean over labels of the cosine of its row of the head
// (labels,width), the mean row taken off, to the nearest other's: by how much it
// exceeds that of rows which are all as far from each other as can be.
func alikeness(head []float32, labels, inputs int) float64 {
	rows := directions(head, labels, inputs)
	sum := 0.0
	for i, a := range rows {
		nearest := -1.0
		for j, b := range rows {
			if i != j {
				nearest = max(nearest, dot(a, b))
			}
		}
		sum += nearest
	}
	return sum/float64(labels) + 1/float64(labels-1)
}

// directions are the rows of a head less their mean, without the bias, each of
// length 1; one that is the mean stays 0.
func directions(head []float32, labels, inputs int) [][]float64 {
	width, mean := len(head)/labels, make([]float64, inputs)
	for i := range labels {
		for k, x := range head[i*width:][:inputs] {
			mean[k] += float64(x) / float64(labels)
		}
	}
	out := make([][]float64, labels)
	for i := range out {
		row := make([]float64, inputs)
		for k, x := range head[i*width:][:inputs] {
			row[k] = float64(x) - mean[k]
		}
		if norm := math.Sqrt(dot(row, row)); norm > 0 {
			for k := range row {
				row[k] /= norm
			}
		}
		out[i] = row
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for k, x := range a {
		sum += x * b[k]
	}
	return sum
}
