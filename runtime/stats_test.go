package runtime

import (
	"context"
	"math"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	eng, _ := versionedEngine(t, Options{})
	ctx := context.Background()
	image := picture(1, 8, 8)
	classify(t, eng, "m1", image)
	if _, err := eng.Infer(ctx, "m1", Inputs{Images: [][]byte{image, image, image}}); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Infer(ctx, "m1", Inputs{}); err == nil {
		t.Fatal("a request without inputs was answered")
	}
	classify(t, eng, "m1:1", image)
	check := func(ref string, version int, rows, calls, failed int64) {
		t.Helper()
		list, err := eng.Stats(ref)
		if err != nil || len(list) != 1 {
			t.Fatalf("Stats(%q) returned %+v, %v; want one version", ref, list, err)
		}
		s := list[0]
		if s.Name != "m1" && s.Name != "m2" || s.Version != version || s.Rows != rows || s.Success.Count != calls || s.Fail.Count != failed || s.Compute.Count != calls {
			t.Errorf("%s has %+v, want version %d with %d rows, %d calls answered and %d failed", ref, s, version, rows, calls, failed)
		}
		if used := calls > 0; used == s.Last.IsZero() || used != (s.Success.Took > 0) || used != (s.Memory > 0) {
			t.Errorf("%s has %+v after %d calls", ref, s, calls)
		}
		var runs, inBatches int64 // no batch was mixed, so all inputs are the version's
		for _, b := range s.Batches {
			runs += b.Compute.Count
			inBatches += b.Compute.Count * int64(b.Size)
			if b.Compute.Took <= 0 || b.Preprocess.Took <= 0 {
				t.Errorf("%s has batches that took no time: %+v", ref, b)
			}
		}
		if inBatches != rows || runs != s.Runs || runs < calls {
			t.Errorf("%s has %d rows in %d batches, want %d and %d: %+v", ref, inBatches, runs, rows, s.Runs, s.Batches)
		}
	}
	check("m1", 3, 4, 2, 1)
	check("m1:1", 1, 1, 1, 0)
	check("m2", 1, 0, 0, 0)
	if all, err := eng.Stats(""); err != nil || len(all) != 2 {
		t.Errorf("Stats of all returned %+v, %v; want the two versions with requests", all, err)
	}
	if _, err := eng.Stats("nobody"); codeOf(err) != NotFound {
		t.Errorf("an unknown model: %v, want code NotFound", err)
	}
}

// The rate follows the calls of the last seconds and decays without any. The latency is that
// of the last calls, however long ago they were.
func TestRecent(t *testing.T) {
	var r recent
	now := time.Unix(1000, 0)
	if r.rate(now) != 0 || r.took != 0 {
		t.Errorf("before the first call: %g a second of %g s, want 0", r.rate(now), r.took)
	}
	calls := func(n int, every, took time.Duration) {
		for range n {
			now = now.Add(every)
			r.add(now, took)
		}
	}
	check := func(when string, rate, took float64) {
		t.Helper()
		if got := r.rate(now); math.Abs(got-rate) > 0.05*rate+1e-9 || math.Abs(r.took-took) > 0.02*took {
			t.Errorf("%s: %g a second of %g s, want %g of %g s", when, got, r.took, rate, took)
		}
	}
	calls(300, 200*time.Millisecond, 10*time.Millisecond)
	check("at five a second", 5, 0.01)
	calls(1200, 50*time.Millisecond, 40*time.Millisecond)
	check("at twenty a second, slower", 20, 0.04)
	now = now.Add(recency)
	check("without calls for a while", 20/math.E, 0.04)
	now = now.Add(24 * time.Hour)
	check("without calls for a day", 0, 0.04)
	calls(1, 0, 7*time.Millisecond)
	check("after one more call", 0.1, 0.007)
}
