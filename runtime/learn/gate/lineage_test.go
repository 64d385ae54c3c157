package gate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// fitBasis fits a basis without a metric.
func fitBasis(t *testing.T, name string, checkpoints []*checkpoint.Checkpoint, o learn.Options) *store.Basis {
	t.Helper()
	o.Metric = "none"
	b, err := learn.FitBasis(context.Background(), name, checkpoints, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gateOf returns the gate of a family with the given basis.
func gateOf(t *testing.T, b *store.Basis) *gate.Gate {
	t.Helper()
	s := testfamily.EmptyStore(t)
	_, err := s.PutBasis(b)
	testfamily.Must(err)
	return openGate(t, s, b.Family)
}

// TestLineageOfFewMembers checks families of one to three members, with the lineage of the
// members and without it, as in bases from before it was measured.
func TestLineageOfFewMembers(t *testing.T) {
	for members := 1; members <= 3; members++ {
		b := fitBasis(t, "few", testfamily.FirstMembers(t, members), learn.Options{})
		if b.Lineage == nil || b.Lineage.Cosine.Min < 0.9 {
			t.Errorf("%d members: lineage %+v, want cosines of at least 0.9", members, b.Lineage)
		}
		for _, measured := range []bool{true, false} {
			t.Run(fmt.Sprintf("members=%d/measured=%t", members, measured), func(t *testing.T) {
				if !measured {
					b.Lineage = nil
				}
				g := gateOf(t, b)
				if err := gate.CheckLineage(g, testfamily.Foreign(1).Open(t, "foreign")); testfamily.CodeOf(err) != fault.Conflict {
					t.Errorf("another lineage: error %v, want code Conflict", err)
				}
				if err := gate.CheckLineage(g, testfamily.New(77, 3).Open(t, "unseen")); err != nil {
					t.Errorf("the same lineage: %v", err)
				}
			})
		}
	}
}

// TestLineageOfMixedFamily fits a family on two lineages, which OnClusters reports. The
// family must accept checkpoints of both.
func TestLineageOfMixedFamily(t *testing.T) {
	var clusters []learn.Cluster
	checkpoints := append(testfamily.Members(t, 0, 1, 2), testfamily.Foreign(1).Open(t, "foreign"), testfamily.Foreign(1).Open(t, "again"))
	b := fitBasis(t, "mixed", checkpoints, learn.Options{OnClusters: func(c []learn.Cluster) { clusters = c }})
	if len(clusters) != 2 || clusters[0].Names(9) != "m0, m1, m2" || clusters[1].Names(9) != "again, foreign" || clusters[1].Names(1) != "again, and 1 more" {
		t.Fatalf("clusters %v, want two", clusters)
	}
	if clusters[0].OtherCosine > 0.5 || clusters[0].MinCosine < 0.9 {
		t.Errorf("cosines in the first cluster of at least %g, to the other of %g", clusters[0].MinCosine, clusters[0].OtherCosine)
	}
	g := gateOf(t, b)
	for _, c := range append(checkpoints, testfamily.New(77, 3).Open(t, "unseen")) {
		if err := gate.CheckLineage(g, c); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// zooFolder is the folder of the shared zoo: real checkpoints.
const zooFolder = "../../../../shared/zoo"

// TestLineageOnTheZoo checks that a family accepts all checkpoints that were tuned from its
// base and none of those that were trained from other starts.
func TestLineageOnTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the whole zoo")
	}
	models, unseen := testfamily.ZooFolders(t, zooFolder, "models"), testfamily.ZooFolders(t, zooFolder, "unseen")
	hard, hardUnseen := testfamily.ZooFolders(t, zooFolder, "hard/models"), testfamily.ZooFolders(t, zooFolder, "hard/unseen")
	foreign := testfamily.OpenFolders(t, testfamily.ZooFolders(t, zooFolder, "foreign"))
	for _, c := range []struct {
		name            string
		fitted, related []string
	}{
		{"all", models, slices.Concat(models, unseen)},
		{"one", models[:1], unseen},
		{"three", models[10:13], unseen},
		{"hard", hard, slices.Concat(hard, hardUnseen)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fitBasis(t, "zoo", testfamily.OpenFolders(t, c.fitted), learn.Options{Rank: 1,
				OnClusters: func(clusters []learn.Cluster) { t.Errorf("%d clusters, want 1", len(clusters)) }})
			g := gateOf(t, b)
			for _, c := range testfamily.OpenFolders(t, c.related) {
				if err := gate.CheckLineage(g, c); err != nil {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
			for _, c := range foreign {
				if err := gate.CheckLineage(g, c); testfamily.CodeOf(err) != fault.Conflict {
					t.Errorf("%s: error %v, want code Conflict", c.Name, err)
				}
			}
		})
	}
}
