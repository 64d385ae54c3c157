package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"eigenserve/store"
	"eigenserve/store/backend/folder"

	"github.com/google/go-cmp/cmp"
)

// Two stores of one folder in one process stand for two processes: a lock belongs to an
// open file.

// refresh calls Refresh and checks whether it read the pointers again.
func refresh(t testing.TB, s *store.Store, want bool) {
	t.Helper()
	before := store.Generation(s)
	if now, err := s.Refresh(false); err != nil || (now > before) != want {
		t.Fatalf("refresh: from %d to %d, %v, want another reading: %t", before, now, err, want)
	}
}

func TestRefreshSeesAnotherProcess(t *testing.T) {
	ours := create(t)
	theirs := reopen(t, ours)
	refresh(t, ours, false)
	e := put(t, theirs, "a", "one")
	if _, err := ours.Entry("a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("seen without a refresh: %v", err)
	}
	refresh(t, ours, true)
	if has, err := ours.Entry("a"); err != nil || has != e {
		t.Errorf("%v, %v", has, err)
	}
	refresh(t, ours, false)
	if err := theirs.DeleteVariant("a"); err != nil {
		t.Fatal(err)
	}
	refresh(t, ours, true)
	if len(ours.Variants()) != 0 {
		t.Errorf("deleted by another process, still there: %v", ours.Variants())
	}
	put(t, ours, "b", "one") // a store's own change needs no refresh
	refresh(t, ours, false)
	refresh(t, theirs, true)
}

func TestForcedRefreshSeesManualChange(t *testing.T) {
	s := create(t)
	put(t, s, "a", "one")
	if err := os.Remove(filepath.Join(s.Dir(), "models", "a.json")); err != nil {
		t.Fatal(err)
	}
	refresh(t, s, false)
	if _, err := s.Refresh(true); err != nil || len(s.Variants()) != 0 {
		t.Errorf("%v, %v", err, s.Variants())
	}
}

// A file that another process has come to point to is not removed with this process's
// last pointer to it.
func TestChangeSeesOthersPointers(t *testing.T) {
	ours := create(t)
	theirs := reopen(t, ours)
	e := put(t, ours, "a", "one")
	put(t, theirs, "b", "one")
	if err := ours.DeleteVariant("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.ReadVariant(e.Digest); err != nil {
		t.Errorf("the other process's file was removed: %v", err)
	}
	if _, err := theirs.Entry("A"); err == nil {
		t.Error("a name in another case is found")
	}
	v, raw := labelled(t, "two")
	if _, _, err := theirs.PutVariant("B", v, raw); !errors.Is(err, store.ErrName) {
		t.Errorf("a name that another process wrote in another case: %v", err)
	}
}

func TestSeveralProcessesChangeAtOnce(t *testing.T) {
	first := create(t)
	stores := []*store.Store{first, reopen(t, first), reopen(t, first)}
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for k := range 12 {
				v, raw := labelled(t, []string{"one", "two"}[k%2])
				if _, _, err := s.PutVariant(fmt.Sprint("p", i, "-", k%5), v, raw); err != nil {
					t.Error(err)
				}
				if k%3 == 2 {
					if err := s.DeleteVariant(fmt.Sprint("p", i, "-", k%5)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	again := reopen(t, first)
	checkIntact(t, again)
	for _, s := range stores {
		if _, err := s.Refresh(false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(again.Variants(), s.Variants()); diff != "" {
			t.Errorf("a catalogue differs from the files: %s", diff)
		}
	}
}

func TestLockedByAnother(t *testing.T) {
	defer store.SetLockPatience(20 * time.Millisecond)()
	s := create(t)
	lock, err := folder.New(s.Dir()).Lock(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	v, raw := labelled(t, "one")
	_, _, err = s.PutVariant("a", v, raw)
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "try again") {
		t.Errorf("locked: %v", err)
	}
	if len(s.Variants()) != 0 {
		t.Error("it was changed without the lock")
	}
	lock.Unlock()
	put(t, s, "a", "one")
}

// A process that ends during a change leaves an odd counter and no lock. Other processes
// see what it did.
func TestRefreshAfterCrash(t *testing.T) {
	s := create(t)
	put(t, s, "a", "one")
	theirs := reopen(t, s)
	path := filepath.Join(s.Dir(), "changes")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	fmt.Sscanf(string(raw), "%d", &n)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%020d\n", n+1), 0o644); err != nil {
		t.Fatal(err)
	}
	refresh(t, theirs, true) // during the change
	if err := os.Remove(filepath.Join(s.Dir(), "models", "a.json")); err != nil {
		t.Fatal(err)
	}
	refresh(t, theirs, true) // after it was given up
	if len(theirs.Variants()) != 0 {
		t.Errorf("%v", theirs.Variants())
	}
	refresh(t, theirs, false)
	refresh(t, s, true)
	put(t, s, "b", "two")
}
