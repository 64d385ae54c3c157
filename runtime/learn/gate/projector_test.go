package gate_test

import (
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store/tensorfile"
)

// TestIdleProjectorIsDropped checks that a projector is shared while it is in use, dropped
// when it is not, and then made again.
func TestIdleProjectorIsDropped(t *testing.T) {
	g := openGate(t, teststore.Fitted(t), testfamily.Name)
	without, _ := g.Bytes()
	a, doneA, err := g.AcquireProjector()
	if err != nil {
		t.Fatal(err)
	}
	b, doneB, err := g.AcquireProjector()
	if err != nil || b != a {
		t.Errorf("the second user has another projector: %v", err)
	}
	doneA()
	if all, _ := g.Bytes(); !g.DropProjector() || all <= without {
		t.Errorf("dropped while in use: %d bytes, without a projector %d", all, without)
	}
	doneB()
	left := g.DropProjector()
	if all, _ := g.Bytes(); left || all != without {
		t.Errorf("not dropped when idle: %d bytes, without a projector %d", all, without)
	}
	c, doneC, err := g.AcquireProjector()
	if err != nil || c == a {
		t.Errorf("the dropped projector is in use again: %v", err)
	}
	doneC()
}

// TestProjectorFileIsClosedOnce checks that the file of a projector is closed by its cleanup
// if the projector is garbage collected, but not after the projector was dropped: the
// memory might be mapped again by then.
func TestProjectorFileIsClosedOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		drop   bool
		closed int64 // calls by the cleanup
	}{
		{"dropped", true, 0},
		{"collected", false, 1},
	} {
		var closed atomic.Int64
		restore := gate.SetCloseFile(func(f *tensorfile.File) {
			closed.Add(1)
			f.Close()
		})
		collectProjector(t, c.drop)
		eventually(t, func() bool { return closed.Load() >= c.closed })
		if n := closed.Load(); n != c.closed {
			t.Errorf("%s: the cleanup closed the file %d times, want %d", c.name, n, c.closed)
		}
		restore()
	}
}

// collectProjector makes a projector, drops it or forgets the gate that has it, and returns
// after the cleanups of the projector have run.
func collectProjector(t *testing.T, drop bool) {
	t.Helper()
	s := teststore.Fitted(t)
	f, err := family.OpenCurrent(s, testfamily.Name, nn.Float32)
	testfamily.Must(err)
	defer f.Close()
	var collected, later atomic.Bool
	func() {
		g := gate.New(f, s)
		p, done, err := g.AcquireProjector()
		testfamily.Must(err)
		whenCollected(p.Basis(), &collected)
		if drop {
			done()
			g.DropProjector()
		}
	}()
	collect(t, &collected)
	// Cleanups of one object run in any order, but before those of an object that was
	// collected later.
	whenCollected(new([64]byte), &later)
	collect(t, &later)
}

// whenCollected sets a flag after an object was garbage collected.
func whenCollected[T any](object *T, flag *atomic.Bool) {
	goruntime.AddCleanup(object, func(flag *atomic.Bool) { flag.Store(true) }, flag)
}

// collect collects garbage until a flag is set.
func collect(t *testing.T, flag *atomic.Bool) {
	t.Helper()
	eventually(t, func() bool {
		goruntime.GC()
		return flag.Load()
	})
}

// eventually waits until a condition holds that other goroutines bring about.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the condition never held")
		}
	}
}
