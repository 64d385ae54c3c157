// Package backendtest holds the conformance test of backends.
package backendtest

import (
	"errors"
	"io"
	"io/fs"
	"testing"
	"time"

	"eigenserve/store/backend"
)

// patience is how long a test waits for a lock that it can acquire.
const patience = time.Minute

// Run tests an implementation of backend.Backend. create makes an empty place, which exists
// until the test ends, and returns a function that opens a new Backend of that place.
func Run(t *testing.T, create func(t *testing.T) (open func() backend.Backend)) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open func() backend.Backend)
	}{
		{"Init", testInit},
		{"InitOfOtherFiles", testInitOfOtherFiles},
		{"ReadAfterWrite", testReadAfterWrite},
		{"Replace", testReplace},
		{"FailedPut", testFailedPut},
		{"AtomicReplace", testAtomicReplace},
		{"Missing", testMissing},
		{"BadNames", testBadNames},
		{"OutsideOfLock", testOutsideOfLock},
		{"FS", testFS},
		{"LargeFile", testLargeFile},
		{"Discard", testDiscard},
		{"DiscardLocked", testDiscardLocked},
		{"Lock", testLock},
		{"LockWaits", testLockWaits},
		{"LockLost", testLockLost},
		{"Changes", testChanges},
		{"ConcurrentWriters", testConcurrentWriters},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, create(t)) })
	}
}

// ready returns an initialised Backend.
func ready(t *testing.T, open func() backend.Backend) backend.Backend {
	t.Helper()
	b := open()
	if made, err := b.Init("marker", []byte("format"), "pointers", "blobs"); err != nil || !made {
		t.Fatalf("Init: %t, %v", made, err)
	}
	return b
}

// locked locks a directory until the test ends, unless the test unlocks it.
func locked(t *testing.T, b backend.Backend, dir string) backend.Lock {
	t.Helper()
	l, err := b.Lock(dir, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Unlock() })
	return l
}

func content(data string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, data)
		return err
	}
}

func put(t *testing.T, l backend.Lock, name, data string) {
	t.Helper()
	if err := l.Put(name, content(data)); err != nil {
		t.Fatal(err)
	}
}

// want checks the content of a file.
func want(t *testing.T, b backend.Backend, name, data string) {
	t.Helper()
	if got, err := fs.ReadFile(b, name); err != nil || string(got) != data {
		t.Errorf("%s holds %.40q, %v; want %.40q", name, got, err, data)
	}
}

// wantErr checks an error.
func wantErr(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
}

// names returns the names in a directory, without those of locks and the change counter.
func names(t *testing.T, b backend.Backend, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(b, dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if name := e.Name(); name != "lock" && name != "changes" {
			all = append(all, name)
		}
	}
	return all
}
