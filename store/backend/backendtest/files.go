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
