package learn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"eigenserve/runtime/family"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Cluster is a group of checkpoints that should share a basis.
type Cluster struct {
	Checkpoints []*checkpoint.Checkpoint // sorted by name
	// MinCosine is the smallest cosine of a member to the mean of the cluster.
	MinCosine float64
	// MaxDistance is the largest distance of a member from that mean, relative to the
	// length of the mean.
	MaxDistance float64
	// OtherCosine is the largest cosine of the cluster's mean to the mean of another
	// cluster, -1 if there is no other.
	OtherCosine float64
}

// Clusters groups checkpoints that should share a basis: those of one architecture and
// one lineage. It divides a lineage whose parts are far apart. The largest cluster comes
// first. Each checkpoint is read once.
func Clusters(ctx context.Context, checkpoints []*checkpoint.Checkpoint, progress func(done, total int)) ([]Cluster, error) {
	if err := checkNames(checkpoints); err != nil {
		return nil, err
	}
	type group struct {
		checkpoints []*checkpoint.Checkpoint
		sketches    []subspace.Sketch
	}
	groups := map[string]*group{} // by architecture
	for i, c := range checkpoints {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		architecture, s, err := sketch(c)
		if err != nil {
			return nil, err
		}
		g := groups[architecture]
		if g == nil {
			g = &group{}
			groups[architecture] = g
		}
		g.checkpoints, g.sketches = append(g.checkpoints, c), append(g.sketches, s)
		progress(i+1, len(checkpoints))
	}
	var out []Cluster
	for _, g := range groups {
		out = append(out, clustersOf(g.checkpoints, g.sketches)...)
	}
	slices.SortFunc(out, largerFirst)
	return out, nil
}

// sketch returns a checkpoint's architecture and its sketch.
func sketch(c *checkpoint.Checkpoint) (architecture string, s subspace.Sketch, err error) {
	m, err := family.OpenModel(c)
	if err != nil {
		return "", nil, err
	}
	src, err := family.CheckSource(c, m.Plan())
	if err != nil {
		return "", nil, err
	}
	s, err = subspace.SketchOf(src, family.LayoutOf(m.Plan()))
	return m.Architecture(), s, err
}

// clustersOf groups checkpoints of one architecture, by their sketches. The result does
// not depend on their order. The largest cluster comes first.
func clustersOf(checkpoints []*checkpoint.Checkpoint, sketches []subspace.Sketch) []Cluster {
	order := make([]int, len(checkpoints))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(checkpoints[a].Name, checkpoints[b].Name) })
	sorted := make([]subspace.Sketch, len(order))
	for i, k := range order {
		sorted[i] = sketches[k]
	}
	groups := subspace.Clusters(sorted)
	out, means := make([]Cluster, len(groups)), make([]subspace.Sketch, len(groups))
	for i, members := range groups {
		var group []subspace.Sketch
		for _, k := range members {
			out[i].Checkpoints = append(out[i].Checkpoints, checkpoints[order[k]])
			group = append(group, sorted[k])
		}
		means[i] = subspace.MeanSketch(group)
		l := lineageOf(group)
		out[i].MinCosine, out[i].MaxDistance, out[i].OtherCosine = l.Cosine.Min, l.Distance.Max, -1
	}
	for i := range out {
		for k := range out {
			if k != i {
				out[i].OtherCosine = max(out[i].OtherCosine, means[i].Cosine(means[k]))
			}
		}
	}
	slices.SortFunc(out, largerFirst)
	return out
}

// largerFirst compares clusters by size, and those of one size by name.
func largerFirst(a, b Cluster) int {
	return cmp.Or(cmp.Compare(len(b.Checkpoints), len(a.Checkpoints)), strings.Compare(a.Checkpoints[0].Name, b.Checkpoints[0].Name))
}

// Names returns the names of the first checkpoints of the cluster, at most limit, and how
// many more there are.
func (c Cluster) Names(limit int) string {
	var names []string
	for i, x := range c.Checkpoints {
		if i == limit {
			names = append(names, fmt.Sprintf("and %d more", len(c.Checkpoints)-limit))
			break
		}
		names = append(names, x.Name)
	}
	return strings.Join(names, ", ")
}
