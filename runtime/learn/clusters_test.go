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

func TestClustersOfTheZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("reads much of the zoo")
	}
	folders := slices.Concat(testfamily.ZooFolders(t, zooFolder, "models")[:40], renamed(t, "foreign-", testfamily.ZooFolders(t, zooFolder, "foreign")),
		renamed(t, "hard-", testfamily.ZooFolders(t, zooFolder, "hard/models")[:12]))
	clusters, err := learn.Clusters(context.Background(), testfamily.OpenFolders(t, folders), func(int, int) {})
	testfamily.Must(err)
	var sizes []int
	for _, c := range clusters {
		sizes = append(sizes, len(c.Checkpoints))
	}
	if !slices.Equal(sizes, []int{52, 1, 1, 1, 1, 1}) {
		t.Errorf("clusters of %v", sizes)
	}
}

// renamed gives checkpoints other names: many of the zoo's stand in several groups.
func renamed(t *testing.T, prefix string, dirs []string) (out []string) {
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
