package subspace

import (
	"math"
	"slices"
)

const (
	// lineageCosine is the smallest cosine of the weights of two checkpoints of one
	// lineage.
	lineageCosine = 0.5
	// minCluster is the smallest number of checkpoints in a part of a lineage. A basis
	// takes more bytes than the coefficients of a few checkpoints save.
	minCluster = 4
	// splitShare is the largest share of the scatter that a split may leave. Points
	// spread evenly along a line, which one basis represents well, leave a quarter.
	splitShare = 0.2
)

// Clusters groups checkpoints by their sketches: first into lineages, and then each lineage
// into parts that are much closer to their own means than to the common mean, such as the
// fine-tunes of a model and those of another model that was tuned from it. It returns the
// indices of the members of each group, in ascending order.
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

// lineages assigns each checkpoint to the first lineage to whose first member it is related.
func lineages(sketches []Sketch) (out [][]int) {
next:
	for i, s := range sketches {
		for k, l := range out {
			if s.Cosine(sketches[l[0]]) >= lineageCosine {
				out[k] = append(l, i)
				continue next
			}
		}
		out = append(out, []int{i})
	}
	return out
}

// flattened returns a sketch as one vector in which all layers count the same. unit gives the
// length of each layer.
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

// parts splits points in two, recursively, as long as the parts are much closer to their means.
func parts(points [][]float64, members []int) [][]int {
	a, b := halves(points, members)
	if len(a) < minCluster || len(b) < minCluster {
		return [][]int{members}
	}
	within := (scatter(points, a) + scatter(points, b)) / float64(len(members)-2)
	if within > splitShare*scatter(points, members)/float64(len(members)-1) {
		return [][]int{members}
	}
	return append(parts(points, a), parts(points, b)...)
}

// halves divides members in two by 2-means (Lloyd 1982), starting from the two sides of the
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

// divide splits members into those for which first is true and the others.
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

// axisOf returns the direction of largest variance, by power iterations that start from the
// point farthest from the centre.
func axisOf(points [][]float64, members []int, centre []float64) []float64 {
	axis, farthest := make([]float64, len(centre)), -1.0
	for _, i := range members {
		if d := distance2(points[i], centre); d > farthest {
			farthest = d
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

// along returns the component of p − centre along an axis.
func along(p, centre, axis []float64) (t float64) {
	for k, x := range p {
		t += (x - centre[k]) * axis[k]
	}
	return t
}

// meanPoint returns the mean of some points.
func meanPoint(points [][]float64, members []int) []float64 {
	out := make([]float64, len(points[members[0]]))
	for _, i := range members {
		for k, x := range points[i] {
			out[k] += x / float64(len(members))
		}
	}
	return out
}

// scatter returns the sum of squared distances to the mean.
func scatter(points [][]float64, members []int) (sum float64) {
	centre := meanPoint(points, members)
	for _, i := range members {
		sum += distance2(points[i], centre)
	}
	return sum
}

// distance2 returns the squared distance of two points.
func distance2(a, b []float64) (d float64) {
	for k, x := range a {
		d += (x - b[k]) * (x - b[k])
	}
	return d
}
