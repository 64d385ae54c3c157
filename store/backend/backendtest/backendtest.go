// Package backendtest holds the conformance test of backends.
package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
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

func testInit(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	want(t, b, "marker", "format")
	for _, dir := range []string{"pointers", "blobs"} {
		if got := names(t, b, dir); len(got) > 0 {
			t.Errorf("a new %s holds %v", dir, got)
		}
	}
	if n, err := b.Changes(); n != 0 || err != nil {
		t.Errorf("a new place has %d changes, %v", n, err)
	}
	if b.Locked(".") {
		t.Error("a new place is locked")
	}
	if made, err := open().Init("marker", []byte("again"), "pointers", "blobs"); made || err != nil {
		t.Errorf("Init of a place in use: %t, %v", made, err)
	}
	want(t, b, "marker", "format")
}

func testInitOfOtherFiles(t *testing.T, open func() backend.Backend) {
	b := open()
	l := locked(t, b, ".")
	put(t, l, "photos/one.png", "not ours")
	if made, err := b.Init("marker", []byte("format"), "pointers"); made || err != nil {
		t.Errorf("Init of a place with other files: %t, %v", made, err)
	}
	if _, err := fs.Stat(b, "marker"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the marker was written: %v", err)
	}
}

func testReadAfterWrite(t *testing.T, open func() backend.Backend) {
	ours := ready(t, open)
	theirs := open()
	l := locked(t, ours, ".")
	for _, name := range []string{"pointers/a.json", "blobs/b", "new/c"} {
		put(t, l, name, "content of "+name)
		for _, b := range []backend.Backend{ours, theirs} {
			want(t, b, name, "content of "+name)
			if info, err := fs.Stat(b, name); err != nil || info.Size() != int64(len("content of "+name)) || time.Since(info.ModTime()).Abs() > time.Hour {
				t.Errorf("Stat of %s: %v, %v", name, info, err)
			}
		}
	}
	if got := names(t, theirs, "."); !slices.Equal(got, []string{"blobs", "marker", "new", "pointers"}) {
		t.Errorf("the root holds %v", got)
	}
	if err := l.Delete("pointers/a.json"); err != nil {
		t.Fatal(err)
	}
	_, err := fs.ReadFile(theirs, "pointers/a.json")
	wantErr(t, "read of a deleted file", err, fs.ErrNotExist)
	if got := names(t, theirs, "pointers"); len(got) > 0 {
		t.Errorf("after the deletion pointers holds %v", got)
	}
}

func testReplace(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	for _, data := range []string{"first", "second, longer", "3", "", "fifth"} {
		put(t, l, "pointers/a.json", data)
		want(t, b, "pointers/a.json", data)
	}
	if got := names(t, b, "pointers"); !slices.Equal(got, []string{"a.json"}) {
		t.Errorf("pointers holds %v", got)
	}
}

func testFailedPut(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	put(t, l, "pointers/a.json", "old")
	broken := errors.New("broken")
	for _, name := range []string{"pointers/a.json", "pointers/b.json"} {
		err := l.Put(name, func(w io.Writer) error {
			io.WriteString(w, "half of the ne")
			return broken
		})
		wantErr(t, "Put of "+name, err, broken)
	}
	want(t, b, "pointers/a.json", "old")
	if got := names(t, b, "pointers"); !slices.Equal(got, []string{"a.json"}) {
		t.Errorf("pointers holds %v", got)
	}
}

// While a file is replaced over and over, a reader sees one content or another, whole.
func testAtomicReplace(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	line := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d ", i), 2000+i) }
	put(t, l, "pointers/a.json", line(0))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				got, err := fs.ReadFile(b, "pointers/a.json")
				var i int
				if _, scanned := fmt.Sscanf(string(got), "%04d", &i); err != nil || scanned != nil || string(got) != line(i) {
					t.Errorf("read %.20q, %d bytes: %v", got, len(got), err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 50 {
		put(t, l, "pointers/a.json", line(i))
	}
	close(done)
	readers.Wait()
}

func testMissing(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	put(t, l, "blobs/there", "x")
	for _, name := range []string{"none", "blobs/none", "none/none"} {
		_, err := b.Open(name)
		wantErr(t, "Open of "+name, err, fs.ErrNotExist)
		_, err = fs.ReadFile(b, name)
		wantErr(t, "ReadFile of "+name, err, fs.ErrNotExist)
		_, err = fs.Stat(b, name)
		wantErr(t, "Stat of "+name, err, fs.ErrNotExist)
		path, err := b.Path(name)
		if err == nil {
			_, err = os.Stat(path)
		}
		wantErr(t, "Path of "+name, err, fs.ErrNotExist)
		wantErr(t, "Delete of "+name, l.Delete(name), fs.ErrNotExist)
		if err := l.Discard(name); err != nil {
			t.Errorf("Discard of %s: %v", name, err)
		}
		if b.Locked(name) {
			t.Errorf("%s is locked", name)
		}
	}
	_, err := fs.ReadDir(b, "none")
	wantErr(t, "ReadDir of none", err, fs.ErrNotExist)
}

// badNames are not valid for io/fs, so no backend may accept them.
var badNames = []string{"", "/", "/etc/passwd", "..", "../x", "blobs/../../x", "blobs/..", "./blobs", "blobs/", "blobs//x", "blobs/./x", "bad\xff"}

func testBadNames(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	before := names(t, b, ".")
	for _, name := range badNames {
		_, err := b.Open(name)
		wantErr(t, fmt.Sprintf("Open of %q", name), err, fs.ErrInvalid)
		_, err = fs.Stat(b, name)
		wantErr(t, fmt.Sprintf("Stat of %q", name), err, fs.ErrInvalid)
		_, err = b.Path(name)
		wantErr(t, fmt.Sprintf("Path of %q", name), err, fs.ErrInvalid)
		wantErr(t, fmt.Sprintf("Put of %q", name), l.Put(name, content("x")), fs.ErrInvalid)
		wantErr(t, fmt.Sprintf("Delete of %q", name), l.Delete(name), fs.ErrInvalid)
		wantErr(t, fmt.Sprintf("Discard of %q", name), l.Discard(name), fs.ErrInvalid)
		if other, err := b.Lock(name, 0); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Lock of %q: %v", name, err)
			if err == nil {
				other.Unlock()
			}
		}
		if b.Locked(name) {
			t.Errorf("%q is locked", name)
		}
	}
	wantErr(t, "Discard of the root", l.Discard("."), fs.ErrInvalid)
	if after := names(t, b, "."); !slices.Equal(after, before) {
		t.Errorf("the root held %v and holds %v", before, after)
	}
}

func testOutsideOfLock(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	work := locked(t, b, "work/one")
	for _, name := range []string{"blobs/x", "work/x", "work/one2/x", "work", "marker"} {
		wantErr(t, "Put of "+name, work.Put(name, content("x")), fs.ErrInvalid)
		wantErr(t, "Delete of "+name, work.Delete(name), fs.ErrInvalid)
		wantErr(t, "Discard of "+name, work.Discard(name), fs.ErrInvalid)
	}
	wantErr(t, "SetChanges", work.SetChanges(1), fs.ErrInvalid)
	want(t, b, "marker", "format")
	put(t, work, "work/one/x", "x")
	want(t, b, "work/one/x", "x")
}

// testFS runs the standard library's test of file systems.
func testFS(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	l := locked(t, b, ".")
	files := []string{"marker", "blobs/a", "blobs/b", "pointers/a.json", "deep/er/x"}
	for _, name := range files[1:4] {
		put(t, l, name, "content of "+name)
	}
	put(t, locked(t, b, "deep/er"), "deep/er/x", "deep")
	if err := fstest.TestFS(b, files...); err != nil {
		t.Error(err)
	}
}

func testLargeFile(t *testing.T, open func() backend.Backend) {
	b := ready(t, open)
	r := rand.NewChaCha8([32]byte{1})
	data := make([]byte, 24<<20+1)
	r.Read(data)
	l := locked(t, b, ".")
	err := l.Put("blobs/large", func(w io.Writer) error {
		_, err := io.Copy(w, struct{ io.Reader }{bytes.NewReader(data)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.ReadFile(open(), "blobs/large")
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("ReadFile: %d of %d bytes, or others; %v", len(got), len(data), err)
	}
	path, err := open().Path("blobs/large")
	if err != nil {
		t.Fatal(err)
	}
	if got, err = os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Path: %d of %d bytes, or others; %v", len(got), len(data), err)
	}
	f, err := b.Open("blobs/large")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := l.Discard("blobs/large"); err != nil {
		t.Skip("an open file cannot be removed here")
	}
	if got, err = io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
		t.Errorf("an open file that was discarded: %d of %d bytes, or others; %v", len(got), len(data), err)
	}
}

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
