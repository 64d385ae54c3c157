// Package teststore makes stores of the family of package testfamily, for tests.
package teststore

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/zoo"
)

// FittedFolder returns the folder of a store that holds the fitted family: the members m0
// to m5 as variants at step 0.5. It is made once for all tests of a package, which must
// not change it.
var FittedFolder = sync.OnceValue(func() string {
	dir := Folder()
	var checkpoints []*checkpoint.Checkpoint
	for i := range testfamily.Size {
		name, c := testfamily.Member(i)
		c.Write(filepath.Join(dir, name))
		opened, err := checkpoint.Open(filepath.Join(dir, name))
		testfamily.Must(err)
		defer opened.Close()
		checkpoints = append(checkpoints, opened)
	}
	s, err := store.Create(filepath.Join(dir, "store"))
	testfamily.Must(err)
	testfamily.Must(learn.Fit(context.Background(), s, testfamily.Name, checkpoints, learn.Options{Gate: gate.Options{Step: 0.5}}))
	return s.Dir()
})

// Fitted returns a new copy of the store in FittedFolder.
func Fitted(t testing.TB) *store.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(FittedFolder())); err != nil {
		t.Fatal(err)
	}
	return testfamily.Reopen(t, dir)
}

// zooFolder returns the folder of a store with the embedded family. It is made once for
// all tests of a package.
var zooFolder = sync.OnceValue(func() string {
	s, err := store.Create(filepath.Join(Folder(), "store"))
	testfamily.Must(err)
	_, err = zoo.Install(s)
	testfamily.Must(err)
	return s.Dir()
})

// Zoo opens a store that holds the embedded family of 200 variants. All tests of a package
// share it, so they must not change it.
func Zoo(t testing.TB) *store.Store {
	t.Helper()
	return testfamily.Reopen(t, zooFolder())
}

// folders are the folders that Main removes.
var folders []string

// Folder makes a temporary folder for all tests of a package. Main removes it.
func Folder() string {
	dir, err := os.MkdirTemp("", "eigenserve-test")
	testfamily.Must(err)
	folders = append(folders, dir)
	return dir
}

// Main runs the tests of a package and removes the folders that they share. It is the
// TestMain of packages that use this one.
func Main(m *testing.M) {
	code := m.Run()
	for _, dir := range folders {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
