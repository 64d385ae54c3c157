package subspace

import (
	"math"
	"slices"
)

const (
	// apart is the cosine of the weights below which two checkpoints are of
	// different lineages.
	apart = 0.5
	// smallest is how many checkpoints a part of a lineage has at least: a basis
	// of its own takes more than the coefficients of some.
	smallest = 4
	// nearer is the share of its deltas' energy that a split has to leave: points
	// that spread evenly along one direction, which one basis holds well, keep a
	// fourth.
	nearer = 0.2
)

// Clusters groups checkpoints by their sketches: first into lineages, then a
// lineage into parts that are much nearer to their own means than to the common
// one, such as fine-tunes of a model and of another that was tuned from it.
// It gives the indexes of each group's members, in ascending order.
func Clusters(sketches []Sketch) [][]int {
	var out [][]int
	for _, lineage := range lineages(sketches) {
		points := make([][]float64, len(sketches))
		for _, i := range lineage {
			points[i] = flattened(sketches[i], sketches[lineage[0]])
		}
		out = append(out, parts(points, lineage)...)
	}
	return out
}

// lineages puts each checkpoint to the first of those before it that it is
// related to.
func lineages(sketches []Sketch) (out [][]int) {
next:
	for i, s := range sketches {
		for k, l := range out {
			if s.Cosine(sketches[l[0]]) >= apart {
				out[k] = append(l, i)
				continue next
			}
		}
		out = append(out, []int{i})
	}
	return out
}

// flattened is a sketch as one vector, in which each layer counts the same.
func flattened(s, unit Sketch) (out []float64) {
	for i := range s {
		length := math.Sqrt(dot(unit[i], unit[i]))
		for _, x := range s[i] {
			if length > 0 {
				out = append(out, float64(x)/length)
			}
		}
	}
	return out
}

// parts splits points in two, and those again, as long as that brings them much
// nearer to their means.
func parts(points [][]float64, members []int) [][]int {
	a, b := halves(points, members)
	if len(a) < smallest || len(b) < smallest {
		return [][]int{members}
	}
	within := (scatter(points, a) + scatter(points, b)) / float64(len(members)-2)
	if within > nearer*scatter(points, members)/float64(len(members)-1) {
		return [][]int{members}
	}
	return append(parts(points, a), parts(points, b)...)
}

// halves divides members by two means (Lloyd 1982), begun on both sides of the
// mean along the direction of largest variance.
func halves(points [][]float64, members []int) (a, b []int) {
	centre := meanPoint(points, members)
	axis := axisOf(points, members, centre)
	a, b = divide(members, func(i int) bool { return along(points[i], centre, axis) > 0 })
	for range 20 {
		if len(a) == 0 || len(b) == 0 {
			return a, b
		}
		ca, cb := meanPoint(points, a), meanPoint(points, b)
		na, nb := divide(members, func(i int) bool { return distance2(points[i], ca) < distance2(points[i], cb) })
		if slices.Equal(na, a) {
			break
		}
		a, b = na, nb
	}
	return a, b
}

func divide(members []int, first func(i int) bool) (a, b []int) {
	for _, i := range members {
		if first(i) {
			a = append(a, i)
		} else {
			b = append(b, i)
		}
	}
	return a, b
}

// axisOf is the direction of largest variance, by power iterations that begin at
// the point farthest from the centre.
func axisOf(points [][]float64, members []int, centre []float64) []float64 {
	axis, most := make([]float64, len(centre)), -1.0
	for _, i := range members {
		if d := distance2(points[i], centre); d > most {
			most = d
			for k := range axis {
				axis[k] = points[i][k] - centre[k]
			}
		}
	}
	for range 10 {
		next, length := make([]float64, len(centre)), 0.0
		for _, i := range members {
			t := along(points[i], centre, axis)
			for k := range next {
				next[k] += t * (points[i][k] - centre[k])
			}
		}
		for _, x := range next {
			length = max(length, x, -x)
		}
		if length == 0 {
			break
		}
		for k := range next {
			axis[k] = next[k] / length
		}
	}
	return axis
}

func along(p, centre, axis []float64) (t float64) {
	for k, x := range p {
		t += (x - centre[k]) * axis[k]
	}
	return t
}

func meanPoint(points [][]float64, members []int) []float64 {
	out := make([]float64, len(points[members[0]]))
	for _, i := range members {
		for k, x := range points[i] {
			out[k] += x / float64(len(members))
		}
	}
	return out
}

// scatter is the sum of squared distances to the mean.
func scatter(points [][]float64, members []int) (sum float64) {
	centre := meanPoint(points, members)
	for _, i := range members {
		sum += distance2(points[i], centre)
	}
	return sum
}

func distance2(a, b []float64) (d float64) {
	for k, x := range a {
		d += (x - b[k]) * (x - b[k])
	}
	return d
}
