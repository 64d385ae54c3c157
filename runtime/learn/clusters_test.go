package learn_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
)

// TestClustersOfTheZoo groups fine-tunes of one base, some of which were tuned far from it,
// and five checkpoints that were trained from other starts.
func TestClustersOfTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads much of the zoo")
	}
	folders := slices.Concat(testfamily.ZooFolders(t, zooFolder, "models")[:40],
		linked(t, "foreign-", testfamily.ZooFolders(t, zooFolder, "foreign")),
		linked(t, "hard-", testfamily.ZooFolders(t, zooFolder, "hard/models")[:12]))
	clusters, err := learn.Clusters(context.Background(), testfamily.OpenFolders(t, folders), func(int, int) {})
	testfamily.Must(err)
	var sizes []int
	for _, c := range clusters {
		sizes = append(sizes, len(c.Checkpoints))
	}
	if want := []int{52, 1, 1, 1, 1, 1}; !slices.Equal(sizes, want) {
		t.Errorf("clusters of %v checkpoints, want %v", sizes, want)
	}
}

// linked returns links to folders whose names begin with a prefix: some names are in
// several groups of the zoo.
func linked(t *testing.T, prefix string, dirs []string) (out []string) {
	t.Helper()
	for _, dir := range dirs {
		target, err := filepath.Abs(dir)
		testfamily.Must(err)
		link := filepath.Join(t.TempDir(), prefix+filepath.Base(dir))
		testfamily.Must(os.Symlink(target, link))
		out = append(out, link)
	}
	return out
}
