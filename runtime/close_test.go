package runtime

import (
	"context"
	"sync"
	"testing"

	"eigenserve/runtime/learn/gate"
)

func TestCloseWaitsForRequests(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1})
	image := picture(1, 8, 8)
	_, want := classify(t, eng, "m1", image)
	eng.cache.Drop(eng.store.Variants()[1].Digest) // so that it must rebuild, from the basis
	release := holdSlot(eng)                       // the one slot is busy
	var request, closing sync.WaitGroup
	request.Go(func() {
		a, err := eng.Classify(context.Background(), "m1", image, ClassifyOptions{Function: "none"})
		if err != nil || !same(byLabel(a), want) {
			t.Errorf("the request under way: %v, %v", a, err)
		}
	})
	eventually(t, "the request waits", func() bool { return eng.Counters().Waiting == 1 })
	closing.Go(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "new requests are refused", func() bool {
		_, err := eng.Variant("m1")
		return codeOf(err) == Closed
	})
	if eng.cache.Stats().Used == 0 {
		t.Error("the slabs were unmapped before the request had ended")
	}
	release()
	request.Wait()
	closing.Wait()
	if eng.cache.Stats().Used != 0 {
		t.Error("slabs are still mapped")
	}
}

func TestClosedRefusesAll(t *testing.T) {
	eng := tinyEngine(t, Options{})
	ctx, image := context.Background(), picture(1, 8, 8)
	file, upload := fileOf(t, eng, "m1"), upload(newTiny(9, 3))
	c := newTiny(9, 3).Open(t, "c")
	if err := eng.SetPinned(ctx, "m1", true); err != nil {
		t.Fatal(err)
	}
	for range 2 { // closing twice is harmless
		if err := eng.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for what, call := range map[string]func() error{
		"classify": func() error { _, err := eng.Classify(ctx, "m1", image, ClassifyOptions{}); return err },
		"show":     func() error { _, err := eng.Variant("m1"); return err },
		"put":      func() error { _, _, err := eng.PutVariant(ctx, "m1", file); return err },
		"add": func() error {
			_, _, err := eng.AddCheckpoint(ctx, tinyFamily, "m1", upload)
			return err
		},
		"add offline": func() error { _, _, err := eng.Add(ctx, tinyFamily, "m1", c, gate.Options{Step: 1}); return err },
		"delete":      func() error { return eng.DeleteVariant(ctx, "m1") },
		"pin":         func() error { return eng.SetPinned(ctx, "m1", true) },
		"unpin":       func() error { return eng.SetPinned(ctx, "m1", false) },
		"family":      func() error { _, err := eng.Family(tinyFamily); return err },
		"preload":     func() error { return eng.Preload(ctx) },
		"export":      func() error { return eng.Export("m1", t.TempDir()) },
		"meter":       func() error { _, err := eng.NewMeter("m1"); return err },
	} {
		if err := call(); codeOf(err) != Closed {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := len(eng.Families()); n != 0 {
		t.Errorf("%d families", n)
	}
	if l := eng.Ledger(); l.Slabs != 0 {
		t.Errorf("%+v", l)
	}
}
