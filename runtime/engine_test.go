package runtime

import (
	"context"
	"sync"
	"testing"
	"time"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn/gate"
)

func TestPreloadStopsAtDeadline(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	if err := eng.Preload(ctx); err != context.DeadlineExceeded {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	image := picture(1, 8, 8)
	_, want := classify(t, eng, "m1", image)
	eng.cache.Drop(eng.store.Variants()[1].Digest) // so that the request must rebuild, from the basis
	release := holdSlot(eng)
	var request, closing sync.WaitGroup
	request.Go(func() {
		a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
		if err != nil || !same(byLabel(a), want) {
			t.Errorf("the request that was running answers %v, %v; want %v", a, err, want)
		}
	})
	eventually(t, "the request waits", func() bool { return eng.Counters().Waiting == 1 })
	closing.Go(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "new calls are refused", func() bool {
		_, err := eng.Variant("m1")
		return codeOf(err) == Closed
	})
	if eng.cache.Stats().Used == 0 {
		t.Error("the slabs were unmapped before the request had ended")
	}
	release()
	request.Wait()
	closing.Wait()
	if n := eng.cache.Stats().Used; n != 0 {
		t.Errorf("%d bytes of slabs are mapped after Close", n)
	}
}

func TestClosedEngineRefusesCalls(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx, image := context.Background(), picture(1, 8, 8)
	file, upload := fileOf(t, eng, "m1"), upload(testfamily.New(9, 3))
	c := testfamily.New(9, 3).Open(t, "c")
	must(eng.SetPinned(ctx, "m1", true))
	must(eng.Close())
	must(eng.Close()) // has no effect
	for name, call := range map[string]func() error{
		"classify": func() error { _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); return err },
		"show":     func() error { _, err := eng.Variant("m1"); return err },
		"put":      func() error { _, _, err := eng.PutVariant(ctx, "m1", file); return err },
		"add upload": func() error {
			_, _, err := eng.AddCheckpoint(ctx, testfamily.Name, "m1", upload)
			return err
		},
		"add":     func() error { _, _, err := eng.Add(ctx, testfamily.Name, "m1", c, gate.Options{Step: 1}); return err },
		"delete":  func() error { return eng.DeleteVariant(ctx, "m1") },
		"pin":     func() error { return eng.SetPinned(ctx, "m1", true) },
		"unpin":   func() error { return eng.SetPinned(ctx, "m1", false) },
		"family":  func() error { _, err := eng.Family(testfamily.Name); return err },
		"preload": func() error { return eng.Preload(ctx) },
		"export":  func() error { return eng.Export("m1", t.TempDir()) },
		"meter":   func() error { _, err := eng.NewMeter("m1"); return err },
	} {
		if err := call(); codeOf(err) != Closed {
			t.Errorf("%s: %v, want code Closed", name, err)
		}
	}
	if n := len(eng.Families()); n != 0 {
		t.Errorf("%d families are listed, want none", n)
	}
	if l := eng.Ledger(); l.Slabs != 0 {
		t.Errorf("the ledger has %d bytes of slabs, want none", l.Slabs)
	}
}
