package backendtest

import (
	"io/fs"
	"slices"
	"testing"

	"eigenserve/store/backend"
)

func testDiscard(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	for _, name := range []string{"blobs/a", "blobs/b"} {
		put(t, l, name, "x")
	}
	work := locked(t, b, "work/one")
	put(t, work, "work/one/x", "x")
	put(t, work, "work/one/y", "y")
	if err := work.Discard("work/one/x"); err != nil {
		t.Fatal(err)
	}
	want(t, b, "work/one/y", "y")
	if err := work.Unlock(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"blobs/a", "work/one"} {
		if err := l.Discard(name); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, open(), "blobs"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("blobs holds %v", got)
	}
	for _, name := range []string{"work/one", "work/one/y"} {
		_, err := fs.Stat(open(), name)
		wantErr(t, "Stat of "+name, err, fs.ErrNotExist)
	}
}

// Discarding the locked directory removes and unlocks it.
func testDiscardLocked(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	work := locked(t, b, "work/one")
	put(t, work, "work/one/x", "x")
	if err := work.Discard("work/one"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, b, "."); slices.Contains(got, "work") {
		t.Errorf("the root holds %v", got)
	}
	wantErr(t, "Put", work.Put("work/one/x", content("x")), backend.ErrLockLost)
	if b.Locked("work/one") {
		t.Error("it is still locked")
	}
	again := locked(t, open(), "work/one")
	if got := names(t, b, "work/one"); len(got) > 0 {
		t.Errorf("work/one holds %v", got)
	}
	other := locked(t, b, "work/two")
	put(t, other, "work/two/x", "x")
	if err := again.Discard("work/one"); err != nil {
		t.Fatal(err)
	}
	want(t, b, "work/two/x", "x")
}
