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

// Cluster is a group of checkpoints that one basis serves best.
type Cluster struct {
	Checkpoints []*checkpoint.Checkpoint // by name
	// MinCosine is the least cosine of a member to the mean of the cluster.
	MinCosine float64
	// MaxDistance is the largest distance of a member from that mean, over its length.
	MaxDistance float64
	// OtherCosine is the largest cosine of the cluster's mean to another cluster's, -1 if
	// there is none.
	OtherCosine float64
}

// Clusters finds which checkpoints should share a basis: those of one architecture and
// lineage; a lineage whose parts are far apart is divided. The largest cluster comes
// first. Each checkpoint is read once.
func Clusters(ctx context.Context, checkpoints []*checkpoint.Checkpoint, progress func(done, total int)) ([]Cluster, error) {
	if err := checkNames(checkpoints); err != nil {
		return nil, err
	}
	opened, errs := checkAll(checkpoints)
	if err := JoinErrors(errs); err != nil {
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
		s, err := subspace.SketchOf(family.Source{Checkpoint: c}, family.LayoutOf(opened[i].Plan()))
		if err != nil {
			return nil, err
		}
		architecture := opened[i].Architecture()
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

// clustersOf groups checkpoints of one architecture. The result does not depend on
// their order. The largest cluster comes first.
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

func largerFirst(a, b Cluster) int {
	return cmp.Or(cmp.Compare(len(b.Checkpoints), len(a.Checkpoints)), strings.Compare(a.Checkpoints[0].Name, b.Checkpoints[0].Name))
}

// Names lists the names of at most the given number of the cluster's checkpoints.
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
