package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// foreign makes a checkpoint of the family's shapes from another start.
func foreign(seed uint64) *tiny {
	c := newTiny(seed, 3)
	for name, t := range c.tensors {
		other := newTiny(seed+1000, 3).tensors[name]
		v := make([]float32, t.Len())
		must(other.Float32(v))
		if strings.HasSuffix(name, ".weight") && len(t.Shape) > 1 {
			slices.Reverse(v)
		}
		c.tensors[name] = tensorfile.FromFloat32("F32", t.Shape, v)
	}
	return c
}

func TestAnotherLineageIsRefused(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := digests(eng.store)
	_, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "foreign", foreign(1).upload())
	if codeOf(err) != Conflict {
		t.Fatalf("code %d: %v", codeOf(err), err)
	}
	for _, says := range []string{`"foreign"`, "another lineage", `"tiny"`, "cosine", "times as far", "family of its own", "--exact"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("several lines: %q", err)
	}
	if after := digests(eng.store); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the store changed: %v", after)
	}
	// Bit for bit it is taken, and answers as it does.
	c := foreign(1).open(t, "foreign")
	info, _, err := eng.Add(context.Background(), tinyFamily, "foreign", c, Gate{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	v, tensors := rebuiltTensors(t, eng.store, info.Digest)
	for name, values := range tensors {
		want := make([]float32, len(values))
		tensor, _ := c.Tensor(name)
		must(tensor.Float32(want))
		if !slices.Equal(values, want) {
			t.Errorf("%s is not as it came", name)
		}
	}
	if len(v.Exact) == 0 {
		t.Error("nothing is exact")
	}
	if _, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "next", newTiny(99, 3).upload()); err != nil {
		t.Errorf("of the lineage: %v", err)
	}
}

// TestLineageOfFewAndOfOld has families of one to three, each also without what
// newer bases tell of their members.
func TestLineageOfFewAndOfOld(t *testing.T) {
	for members := 1; members <= 3; members++ {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("members=%d/old=%t", members, old), func(t *testing.T) {
				var checkpoints []*checkpoint.Checkpoint
				for i := range members {
					name, c := member(i)
					checkpoints = append(checkpoints, c.open(t, name))
				}
				b, err := learn(context.Background(), "few", checkpoints, FitOptions{Metric: "none", Progress: func(string, int, int) {}})
				must(err)
				if b.Lineage == nil || b.Lineage.Cosine.Min < 0.9 {
					t.Errorf("the members' lineage: %+v", b.Lineage)
				}
				if old {
					b.Lineage = nil
				}
				f := familyOf(t, b)
				if err := relatedTo(f, foreign(1).open(t, "foreign")); codeOf(err) != Conflict {
					t.Errorf("another lineage: %v", err)
				}
				if err := relatedTo(f, newTiny(77, 3).open(t, "unseen")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A family that was fitted on two lineages takes more of both: whoever made it
// so was told.
func TestLineageOfAMixedFamily(t *testing.T) {
	var told []Cluster
	checkpoints := append(members(t, 0, 1, 2), foreign(1).open(t, "foreign"), foreign(1).open(t, "again"))
	b, err := learn(context.Background(), "mixed", checkpoints, FitOptions{Metric: "none",
		Progress: func(string, int, int) {}, OnClusters: func(c []Cluster) { told = c }})
	must(err)
	if len(told) != 2 || told[0].Names(9) != "m0, m1, m2" || told[1].Names(9) != "again, foreign" || told[1].Names(1) != "again, and 1 more" {
		t.Errorf("told of %v", told)
	}
	if told[0].Others > 0.5 || told[0].Lineage.Cosine < 0.9 {
		t.Errorf("%+v", told[0])
	}
	f := familyOf(t, b)
	for _, c := range append(checkpoints, newTiny(77, 3).open(t, "unseen")) {
		if err := relatedTo(f, c); err != nil {
			t.Error(err)
		}
	}
}

func familyOf(t *testing.T, b *store.Basis) *family {
	t.Helper()
	s := emptyStore(t)
	_, err := s.PutBasis(b)
	must(err)
	eng := serve(t, s, Options{})
	f, _, err := eng.current(b.Family)
	must(err)
	return f
}

func relatedTo(f *family, c *checkpoint.Checkpoint) error {
	s, _, err := f.admit(c)
	if err != nil {
		return err
	}
	return f.related(s)
}

// TestLineageOnTheZoo: every one of foreign/ is of another lineage than a family
// of the others, and none of the others is.
func TestLineageOnTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the whole zoo")
	}
	models, unseen := zooFolders(t, "models"), zooFolders(t, "unseen")
	hard, hardUnseen := zooFolders(t, "hard/models"), zooFolders(t, "hard/unseen")
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
			b, err := learn(context.Background(), "zoo", opened(t, c.fit), FitOptions{Metric: "none", Rank: 1, Progress: func(string, int, int) {},
				OnClusters: func(c []Cluster) { t.Errorf("said to be %d families", len(c)) }})
			must(err)
			f := familyOf(t, b)
			for _, c := range opened(t, c.takes) {
				if err := relatedTo(f, c); err != nil {
					t.Error(err)
				}
			}
			for _, c := range opened(t, zooFolders(t, "foreign")) {
				err := relatedTo(f, c)
				if codeOf(err) != Conflict {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
		})
	}
}

func TestClustersOfTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads much of the zoo")
	}
	folders := slices.Concat(zooFolders(t, "models")[:40], renamed(t, "foreign-", zooFolders(t, "foreign")),
		renamed(t, "hard-", zooFolders(t, "hard/models")[:12]))
	clusters, err := Clusters(context.Background(), opened(t, folders), func(int, int) {})
	must(err)
	var sizes []int
	for _, c := range clusters {
		sizes = append(sizes, len(c.Checkpoints))
	}
	if !slices.Equal(sizes, []int{52, 1, 1, 1, 1, 1}) {
		t.Errorf("clusters of %v", sizes)
	}
}

// zooFolders lists a group of the zoo's checkpoints.
func zooFolders(t *testing.T, group string) []string {
	t.Helper()
	dirs, _ := filepath.Glob(filepath.Join("../../shared/zoo", group, "*"))
	if len(dirs) == 0 {
		t.Skip("../../shared/zoo is not there")
	}
	return dirs
}

// renamed gives checkpoints other names: many of the zoo's stand in several groups.
func renamed(t *testing.T, prefix string, dirs []string) (out []string) {
	t.Helper()
	for _, dir := range dirs {
		target, err := filepath.Abs(dir)
		must(err)
		link := filepath.Join(t.TempDir(), prefix+filepath.Base(dir))
		must(os.Symlink(target, link))
		out = append(out, link)
	}
	return out
}

func opened(t *testing.T, dirs []string) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for _, dir := range dirs {
		out = append(out, openCheckpoint(t, dir))
	}
	return out
}
