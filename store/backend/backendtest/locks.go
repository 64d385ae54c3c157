package backendtest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"eigenserve/store/backend"
)

func testLock(t *testing.T, open func() backend.Backend) {
	ours := ready(t, open)
	theirs := open()
	for _, dir := range []string{".", "work/one"} {
		locked(t, ours, dir)
		for _, b := range []backend.Backend{ours, theirs} {
			for _, wait := range []time.Duration{0, 20 * time.Millisecond} {
				_, err := b.Lock(dir, wait)
				wantErr(t, "Lock of "+dir, err, backend.ErrLocked)
			}
			if !b.Locked(dir) {
				t.Errorf("%s is not locked", dir)
			}
		}
	}
	two := locked(t, theirs, "work/two") // the lock of another directory
	for range 2 {
		if err := two.Unlock(); err != nil {
			t.Error(err)
		}
	}
	if ours.Locked("work/two") {
		t.Error("work/two is still locked")
	}
	again, err := ours.Lock("work/two", 0)
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}

func testLockWaits(t *testing.T, open func() backend.Backend) {
	ours := ready(t, open)
	l := locked(t, ours, ".")
	got := make(chan error)
	go func() {
		theirs, err := open().Lock(".", patience)
		if err == nil {
			err = theirs.Unlock()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("locked twice: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// A lock that was unlocked allows no change, even if it has no other holder.
func testLockLost(t *testing.T, open func() backend.Backend) {
	ours := ready(t, open)
	lost := locked(t, ours, ".")
	put(t, lost, "pointers/a.json", "first")
	if err := lost.Unlock(); err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		wantErr(t, "Put "+when, lost.Put("pointers/a.json", content("lost")), backend.ErrLockLost)
		wantErr(t, "Delete "+when, lost.Delete("pointers/a.json"), backend.ErrLockLost)
		wantErr(t, "Discard "+when, lost.Discard("pointers/a.json"), backend.ErrLockLost)
		wantErr(t, "SetChanges "+when, lost.SetChanges(7), backend.ErrLockLost)
	}
	refused("after Unlock")
	want(t, ours, "pointers/a.json", "first")
	l := locked(t, open(), ".")
	put(t, l, "pointers/a.json", "second")
	refused("under another lock")
	want(t, ours, "pointers/a.json", "second")
	if n, err := ours.Changes(); n != 0 || err != nil {
		t.Errorf("%d changes, %v", n, err)
	}
}

func testChanges(t *testing.T, open func() backend.Backend) {
	ours := ready(t, open)
	theirs := open()
	l := locked(t, ours, ".")
	for _, n := range []uint64{1, 2, 1 << 62, 1<<64 - 1, 3, 0} {
		if err := l.SetChanges(n); err != nil {
			t.Fatal(err)
		}
		for _, b := range []backend.Backend{ours, theirs, open()} {
			if got, err := b.Changes(); got != n || err != nil {
				t.Errorf("%d changes, %v; want %d", got, err, n)
			}
		}
	}
}

// Several writers, each with its own Backend, increment one number.
func testConcurrentWriters(t *testing.T, open func() backend.Backend) {
	const writers, rounds = 4, 15
	b := ready(t, open)
	var wg sync.WaitGroup
	for w := range writers {
		b := open()
		wg.Go(func() {
			for i := range rounds {
				if err := add(b, fmt.Sprintf("blobs/%d-%d", w, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(t, b, "pointers/sum.json", fmt.Sprint(writers*rounds))
	if n, err := b.Changes(); n != 2*writers*rounds || err != nil {
		t.Errorf("%d changes, %v; want %d", n, err, 2*writers*rounds)
	}
	if got := names(t, b, "blobs"); len(got) != writers*rounds {
		t.Errorf("blobs holds %d files, want %d", len(got), writers*rounds)
	}
}

// add makes a change like a store: the counter is odd during the change.
func add(b backend.Backend, blob string) error {
	l, err := b.Lock(".", patience)
	if err != nil {
		return err
	}
	defer l.Unlock()
	n, err := b.Changes()
	if err != nil {
		return err
	}
	if n&1 == 1 {
		return fmt.Errorf("change %d is under way", n)
	}
	sum := 0
	raw, err := fs.ReadFile(b, "pointers/sum.json")
	if err == nil {
		_, err = fmt.Sscan(string(raw), &sum)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(l.SetChanges(n+1), l.Put(blob, content("x")),
		l.Put("pointers/sum.json", content(fmt.Sprint(sum+1))), l.SetChanges(n+2))
}
