package gate_test

import (
	goruntime "runtime"
	"testing"
	"time"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store/tensorfile"
)

func TestMain(m *testing.M) { teststore.Main(m) }

// TestIdleProjectorIsDropped checks that a projector is shared while it is in use,
// dropped when it is not, and made again.
func TestIdleProjectorIsDropped(t *testing.T) {
	g := openGate(t, teststore.Fitted(t), testfamily.Name)
	without, _ := g.Bytes()
	a, doneA, err := g.AcquireProjector()
	if err != nil {
		t.Fatal(err)
	}
	b, doneB, err := g.AcquireProjector()
	if err != nil || b != a {
		t.Errorf("two projectors, or %v", err)
	}
	doneA()
	if all, _ := g.Bytes(); !g.DropProjector() || all <= without {
		t.Error("dropped while in use")
	}
	doneB()
	left := g.DropProjector()
	if all, _ := g.Bytes(); left || all != without {
		t.Error("still there when unused")
	}
	c, doneC, err := g.AcquireProjector()
	if err != nil || c == a {
		t.Errorf("the same projector, or %v", err)
	}
	doneC()
}

// TestDroppedProjectorIsClosedOnce checks that the cleanup does not close the file of a
// projector that was dropped: it might unmap what was mapped there since.
func TestDroppedProjectorIsClosedOnce(t *testing.T) {
	closed := make(chan bool, 1)
	defer gate.SetCloseFile(func(*tensorfile.File) { closed <- true })()
	g := openGate(t, teststore.Fitted(t), testfamily.Name)
	_, done, err := g.AcquireProjector()
	if err != nil {
		t.Fatal(err)
	}
	done()
	g.DropProjector()
	goruntime.GC()
	select {
	case <-closed:
		t.Error("the file of a dropped projector was closed again by its cleanup")
	case <-time.After(100 * time.Millisecond):
	}
}
