package runtime

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Cluster is a group of checkpoints that one basis serves best.
type Cluster struct {
	Checkpoints []*checkpoint.Checkpoint // by name
	// Lineage tells how alike they are, Others the largest cosine of the
	// cluster's mean to that of another cluster.
	Lineage Alikeness
	Others  float64
}

// Alikeness is the least cosine of a cluster's members to their mean, and their
// largest distance from it over its length.
type Alikeness struct{ Cosine, Distance float64 }

// Clusters finds which checkpoints should share a basis: those of one
// architecture and lineage, a lineage in parts where these are far from each
// other. The largest comes first. Each checkpoint is read once.
func Clusters(ctx context.Context, checkpoints []*checkpoint.Checkpoint, tell func(done, total int)) ([]Cluster, error) {
	if err := distinct(checkpoints); err != nil {
		return nil, err
	}
	type group struct {
		checkpoints []*checkpoint.Checkpoint
		sketches    []subspace.Sketch
	}
	groups := map[string]*group{}
	for i, c := range checkpoints {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := openModel(c)
		if err != nil {
			return nil, err
		}
		src, err := checkedSource(c, m.Plan())
		if err != nil {
			return nil, err
		}
		s, err := subspace.SketchOf(src, layoutOf(m.Plan()))
		if err != nil {
			return nil, err
		}
		g := groups[m.Architecture()]
		if g == nil {
			g = &group{}
			groups[m.Architecture()] = g
		}
		g.checkpoints, g.sketches = append(g.checkpoints, c), append(g.sketches, s)
		tell(i+1, len(checkpoints))
	}
	var out []Cluster
	for _, g := range groups {
		out = append(out, clustersOf(g.checkpoints, g.sketches)...)
	}
	slices.SortFunc(out, largerFirst)
	return out, nil
}

// clustersOf groups checkpoints of one architecture, whatever order they come
// in. The largest cluster comes first.
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
		var own []subspace.Sketch
		for _, k := range members {
			out[i].Checkpoints = append(out[i].Checkpoints, checkpoints[order[k]])
			own = append(own, sorted[k])
		}
		means[i] = subspace.MeanSketch(own)
		l := lineageOf(own)
		out[i].Lineage, out[i].Others = Alikeness{l.Cosine.Min, l.Distance.Max}, -1
	}
	for i := range out {
		for k := range out {
			if k != i {
				out[i].Others = max(out[i].Others, means[i].Cosine(means[k]))
			}
		}
	}
	slices.SortFunc(out, largerFirst)
	return out
}

func largerFirst(a, b Cluster) int {
	return cmp.Or(cmp.Compare(len(b.Checkpoints), len(a.Checkpoints)), strings.Compare(a.Checkpoints[0].Name, b.Checkpoints[0].Name))
}

// Names lists the cluster's checkpoints, at most so many.
func (c Cluster) Names(most int) string {
	var names []string
	for i, x := range c.Checkpoints {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(c.Checkpoints)-most))
			break
		}
		names = append(names, x.Name)
	}
	return strings.Join(names, ", ")
}
