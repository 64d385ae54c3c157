package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// TestLineageOfFewAndOfOld has families of one to three, each also without what
// newer bases tell of their members.
func TestLineageOfFewAndOfOld(t *testing.T) {
	for members := 1; members <= 3; members++ {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("members=%d/old=%t", members, old), func(t *testing.T) {
				var checkpoints []*checkpoint.Checkpoint
				for i := range members {
					name, c := testfamily.Member(i)
					checkpoints = append(checkpoints, c.Open(t, name))
				}
				b, err := learn.FitBasis(context.Background(), "few", checkpoints, learn.Options{Metric: "none", Progress: func(string, int, int) {}})
				testfamily.Must(err)
				if b.Lineage == nil || b.Lineage.Cosine.Min < 0.9 {
					t.Errorf("the members' lineage: %+v", b.Lineage)
				}
				if old {
					b.Lineage = nil
				}
				f := gateOf(t, b)
				if err := gate.CheckLineage(f, testfamily.Foreign(1).Open(t, "foreign")); testfamily.CodeOf(err) != fault.Conflict {
					t.Errorf("another lineage: %v", err)
				}
				if err := gate.CheckLineage(f, testfamily.New(77, 3).Open(t, "unseen")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A family that was fitted on two lineages takes more of both: whoever made it
// so was told.
func TestLineageOfAMixedFamily(t *testing.T) {
	var told []learn.Cluster
	checkpoints := append(testfamily.Members(t, 0, 1, 2), testfamily.Foreign(1).Open(t, "foreign"), testfamily.Foreign(1).Open(t, "again"))
	b, err := learn.FitBasis(context.Background(), "mixed", checkpoints, learn.Options{Metric: "none",
		Progress: func(string, int, int) {}, OnClusters: func(c []learn.Cluster) { told = c }})
	testfamily.Must(err)
	if len(told) != 2 || told[0].Names(9) != "m0, m1, m2" || told[1].Names(9) != "again, foreign" || told[1].Names(1) != "again, and 1 more" {
		t.Errorf("told of %v", told)
	}
	if told[0].OtherCosine > 0.5 || told[0].MinCosine < 0.9 {
		t.Errorf("%+v", told[0])
	}
	f := gateOf(t, b)
	for _, c := range append(checkpoints, testfamily.New(77, 3).Open(t, "unseen")) {
		if err := gate.CheckLineage(f, c); err != nil {
			t.Error(err)
		}
	}
}

// gateOf returns the gate of a family with the given basis.
func gateOf(t *testing.T, b *store.Basis) *gate.Gate {
	t.Helper()
	s := testfamily.EmptyStore(t)
	_, err := s.PutBasis(b)
	testfamily.Must(err)
	return openGate(t, s, b.Family)
}

// openGate returns the gate of a family of a store.
func openGate(t *testing.T, s *store.Store, name string) *gate.Gate {
	t.Helper()
	f, err := family.OpenCurrent(s, name, nn.Float32)
	testfamily.Must(err)
	g := gate.New(f, s)
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return g
}

const zoo = "../../../../shared/zoo"

// TestLineageOnTheZoo: every one of foreign/ is of another lineage than a family
// of the others, and none of the others is.
func TestLineageOnTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the whole zoo")
	}
	models, unseen := testfamily.ZooFolders(t, zoo, "models"), testfamily.ZooFolders(t, zoo, "unseen")
	hard, hardUnseen := testfamily.ZooFolders(t, zoo, "hard/models"), testfamily.ZooFolders(t, zoo, "hard/unseen")
	for _, c := range []struct {
		name       string
		fit, takes []string
	}{
		{"all", models, slices.Concat(models, unseen)},
		{"one", models[:1], unseen},
		{"three", models[10:13], unseen},
		{"hard", hard, slices.Concat(hard, hardUnseen)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := learn.FitBasis(context.Background(), "zoo", testfamily.OpenFolders(t, c.fit), learn.Options{Metric: "none", Rank: 1, Progress: func(string, int, int) {},
				OnClusters: func(c []learn.Cluster) { t.Errorf("said to be %d families", len(c)) }})
			testfamily.Must(err)
			f := gateOf(t, b)
			for _, c := range testfamily.OpenFolders(t, c.takes) {
				if err := gate.CheckLineage(f, c); err != nil {
					t.Error(err)
				}
			}
			for _, c := range testfamily.OpenFolders(t, testfamily.ZooFolders(t, zoo, "foreign")) {
				err := gate.CheckLineage(f, c)
				if testfamily.CodeOf(err) != fault.Conflict {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
		})
	}
}

func opened(t *testing.T, dirs []string) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for _, dir := range dirs {
		out = append(out, testfamily.OpenFolder(t, dir))
	}
	return out
}
