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
)

// fitted is a store with the family fitted, made once. It is removed by Main.
var fitted = sync.OnceValue(func() string {
	work := Folder()
	var checkpoints []*checkpoint.Checkpoint
	for i := range testfamily.Size {
		name, c := testfamily.Member(i)
		c.Write(filepath.Join(work, name))
		opened, err := checkpoint.Open(filepath.Join(work, name))
		testfamily.Must(err)
		defer opened.Close()
		checkpoints = append(checkpoints, opened)
	}
	s, err := store.Create(filepath.Join(work, "store"))
	testfamily.Must(err)
	testfamily.Must(learn.Fit(context.Background(), s, testfamily.Name, checkpoints, learn.Options{Gate: gate.Options{Step: 0.5}}))
	return s.Dir()
})

// Fitted returns a copy of a store in which the family was fitted.
func Fitted(t testing.TB) *store.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(fitted())); err != nil {
		t.Fatal(err)
	}
	return testfamily.Reopen(t, dir)
}

// folders are shared by the tests of a package.
var folders []string

// Folder makes a folder that Main removes.
func Folder() string {
	dir, err := os.MkdirTemp("", "eigenserve-test")
	testfamily.Must(err)
	folders = append(folders, dir)
	return dir
}

// Main runs the tests of a package and removes what they share.
func Main(m *testing.M) {
	code := m.Run()
	for _, dir := range folders {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
