package runtime

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestStatsCountWhatWasAsked(t *testing.T) {
	eng, _ := versionedEngine(t, Options{})
	ctx := context.Background()
	image := picture(1, 8, 8)
	classify(t, eng, "m1", image)
	if _, err := eng.Infer(ctx, "m1", Inputs{Images: [][]byte{image, image, image}}); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Infer(ctx, "m1", Inputs{}); err == nil {
		t.Fatal("nothing is answered")
	}
	classify(t, eng, "m1:1", image)
	is := func(ref string, version int, rows, calls, failed int64) {
		t.Helper()
		list, err := eng.Stats(ref)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		s := list[0]
		if s.Name != "m1" && s.Name != "m2" || s.Version != version || s.Rows != rows || s.Success.Count != calls || s.Fail.Count != failed || s.Compute.Count != calls {
			t.Errorf("%s: %+v", ref, s)
		}
		if asked := calls > 0; asked == s.Last.IsZero() || asked != (s.Success.Took > 0) || asked != (s.Memory > 0) {
			t.Errorf("%s: %+v", ref, s)
		}
		var runs, inBatches int64 // nobody else's inputs were there to be mixed with
		for _, b := range s.Batches {
			runs += b.Compute.Count
			inBatches += b.Compute.Count * int64(b.Size)
			if b.Compute.Took <= 0 || b.Preprocess.Took <= 0 {
				t.Errorf("%s: %+v", ref, b)
			}
		}
		if inBatches != rows || runs != s.Runs || runs < calls {
			t.Errorf("%s: %d rows in %d batches, want %d and %d: %+v", ref, inBatches, runs, rows, s.Runs, s.Batches)
		}
	}
	is("m1", 3, 4, 2, 1)
	is("m1:1", 1, 1, 1, 0)
	is("m2", 1, 0, 0, 0)
	if all, err := eng.Stats(""); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := eng.Stats("nobody"); codeOf(err) != NotFound {
		t.Error(err)
	}
}

// A rate is that of the last seconds: it comes to what is asked, and goes when
// nothing is; the latency is that of the last answers, however long ago.
func TestRecent(t *testing.T) {
	var r recent
	now := time.Unix(1000, 0)
	if r.rate(now) != 0 || r.took != 0 {
		t.Errorf("before the first call: %v", r)
	}
	calls := func(n int, every, took time.Duration) {
		for range n {
			now = now.Add(every)
			r.add(now, took)
		}
	}
	is := func(what string, rate, took float64) {
		t.Helper()
		if got := r.rate(now); math.Abs(got-rate) > 0.05*rate+1e-9 || math.Abs(r.took-took) > 0.02*took {
			t.Errorf("%s: %g a second of %g s, want %g of %g", what, got, r.took, rate, took)
		}
	}
	calls(300, 200*time.Millisecond, 10*time.Millisecond)
	is("five a second", 5, 0.01)
	calls(1200, 50*time.Millisecond, 40*time.Millisecond)
	is("twenty a second, slower", 20, 0.04)
	now = now.Add(recency)
	is("after a silence", 20/math.E, 0.04)
	now = now.Add(24 * time.Hour)
	is("after a day", 0, 0.04)
	calls(1, 0, 7*time.Millisecond)
	is("one more", 0.1, 0.007)
}
