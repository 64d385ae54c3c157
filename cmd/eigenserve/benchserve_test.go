package main

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eigenserve/store"
)

// smallStore makes a store of variants of the small model.
func smallStore(t *testing.T, variants int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s, err := store.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	sy := small
	sy.variants, sy.classes = variants, func(i int) int { return 3 + i }
	if err := sy.install(s); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Bench serve starts servers, puts the same load on both, and finds every answer
// right: the whole of it, at a small size.
func TestBenchServe(t *testing.T) {
	t.Setenv(childVariable, "1")
	dense := t.TempDir()
	makeCheckpoints(t, dense, 2, 1)
	args := []string{"bench", "serve", "--store", smallStore(t, 6), "--weight-cache", "1MiB", "--capacity", "300ms", "--workers", "2",
		"--duration", "700ms", "--warmup", "100ms", "--load", "0.3,0.1", "--first", "--adds", "4", "--serve-flag=--queue=64", "--verify", "12", "--memory", "1GiB",
		"--baseline", "dense,unmixed", "--dense", dense}
	var r loadReport
	decode(t, must(t, append(args, "--json")...), &r)
	var names []string
	for _, run := range r.Runs {
		names = append(names, run.Name)
		if run.First == nil || run.First.Count != 6 || run.Warm.Count != 6 || run.Capacity <= 0 || len(run.Stages) != 2 {
			t.Errorf("%s: %+v", run.Name, run)
		}
		if a := run.Adds; a == nil || a.Pages != 1 || a.Added.Count != 4 || a.Removed.Count != 4 || a.Added.P99 <= 0 {
			t.Errorf("%s: %+v", run.Name, a)
		}
		for _, s := range run.Stages {
			if s.Answered == 0 || s.Wrong+s.Failed > 0 || s.Offered != s.Answered+s.Refused || s.Memory.Samples == 0 || s.Memory.Max == 0 ||
				s.Latency.Count != s.Answered || s.Latency.P50 <= 0 || s.Latency.P999 < s.Latency.P50 {
				t.Errorf("%s: %+v", run.Name, s)
			}
			for weights := range s.ByWeights {
				if cold := weights == "factored"; weights == "unknown" || cold && run.Name == "baseline dense" {
					t.Errorf("%s: answered by %q", run.Name, weights)
				}
			}
		}
		switch v := run.Verified; {
		case run.Name == "baseline dense":
			if v != nil {
				t.Errorf("other weights are held against the store's: %+v", v)
			}
		case v == nil || v.Checked != 12 || v.Wrong != 0:
			t.Errorf("%s: %+v", run.Name, v)
		}
	}
	if want := []string{"eigenserve", "baseline dense", "baseline unmixed"}; r.Models != 6 || !slices.Equal(names, want) {
		t.Errorf("%d models, runs %v", r.Models, names)
	}
	var text strings.Builder
	if err := r.print(&text); err != nil || !strings.Contains(text.String(), "0.3 of capacity") {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestBenchServeUsage(t *testing.T) {
	for _, args := range []string{"", "--store x --server y", "--server x --baseline dense", "--store x --baseline fast",
		"--store x --baseline dense", "--server x --verify 3", "--store x --load 0", "--store x --rate -1", "--store x --workers 0"} {
		m := &Main{Stdout: io.Discard, Stderr: io.Discard}
		if code := m.Run(context.Background(), append([]string{"bench", "serve"}, strings.Fields(args)...)); code != 2 {
			t.Errorf("%q: status %d", args, code)
		}
	}
}

// fakeTarget is a server of one model whose requests do handles.
func fakeTarget(t *testing.T, do http.HandlerFunc) *target {
	t.Helper()
	s := httptest.NewServer(do)
	t.Cleanup(s.Close)
	c, err := newClient(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return newTarget(c, []askedModel{{name: "m", digest: "d"}}, [][]byte{[]byte("image")}, 1024)
}

func right(w http.ResponseWriter) {
	w.Header().Set("Eigenserve-Variant", "m@d")
	w.Header().Set("Server-Timing", "queue;dur=1, weights;desc=slab")
	io.WriteString(w, `[{"label":"a","score":1}]`)
}

// Requests come whether the others were answered or not, and their latencies
// count from when they were due: a server that holds all until the last has come
// is charged for it.
func TestOpenLoopWaitsForNobody(t *testing.T) {
	const rate, span = 400, 500 * time.Millisecond
	due := slices.Collect(poisson(rate, span, newPopularity(1, 1, 1), 1, rand.New(rand.NewPCG(1, 2))))
	var mu sync.Mutex
	come, all := 0, make(chan struct{})
	tg := fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if come++; come == len(due) {
			close(all)
		}
		mu.Unlock()
		<-all
		right(w)
	})
	out, err := tg.open(context.Background(), rate, 0, span, newPopularity(1, 1, 1), 1)
	if err != nil || out.answered != int64(len(due)) {
		t.Fatalf("%d of %d answered: %v", out.answered, len(due), err)
	}
	first := (due[len(due)-1].due - due[0].due).Seconds() * 1000
	if l := latenciesOf(out.all); l.Max < 0.99*first {
		t.Errorf("the first waited %g ms for the last, %g were counted", first, l.Max)
	}
}

// What a server answers is told apart.
func TestOutcomes(t *testing.T) {
	n := 0
	answers := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { right(w) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Eigenserve-Variant", "m@other")
			io.WriteString(w, `[{"label":"a","score":1}]`)
		},
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Eigenserve-Variant", "m@d")
			io.WriteString(w, "[]")
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	tg := fakeTarget(t, func(w http.ResponseWriter, r *http.Request) { n++; answers[n-1](w, r) })
	out := newOutcomes()
	for range answers {
		out.add(tg.ask(context.Background(), arrival{}, time.Now()))
	}
	s := out.report("x", 1, time.Second)
	if s.Offered != 7 || s.Answered != 3 || s.Refused != 2 || s.Failed != 2 || s.Wrong != 2 || s.ByWeights["slab"].Count != 1 {
		t.Errorf("%+v", s)
	}
	if len(s.Complaints) != 4 {
		t.Errorf("complaints %v", s.Complaints)
	}
}

// Arrivals come at the rate, at random, the same for a seed; models as Zipf says.
func TestArrivals(t *testing.T) {
	const rate, models = 1000, 50
	draw := func(seed uint64) []arrival {
		return slices.Collect(poisson(rate, 20*time.Second, newPopularity(models, 1, seed), 3, rand.New(rand.NewPCG(seed, 2))))
	}
	a := draw(1)
	if !slices.Equal(a, draw(1)) || slices.Equal(a, draw(2)) {
		t.Error("a seed gives one load, another seed another")
	}
	if n := float64(len(a)); math.Abs(n-20*rate) > 5*math.Sqrt(20*rate) {
		t.Errorf("%g arrivals, not %d", n, 20*rate)
	}
	counts, squares, last := make([]int, models), 0.0, time.Duration(0)
	for _, x := range a {
		counts[x.model]++
		gap := (x.due - last).Seconds() * rate
		squares, last = squares+gap*gap, x.due
	}
	if m := squares / float64(len(a)); m < 1.8 || m > 2.2 { // of an exponential: 2
		t.Errorf("the mean square gap is %g", m)
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	sum := 0.0
	for k := range models {
		sum += 1 / float64(k+1)
	}
	for _, k := range []int{0, 1, 4} {
		want := float64(len(a)) / float64(k+1) / sum
		if got := float64(counts[k]); math.Abs(got/want-1) > 0.15 {
			t.Errorf("the model of rank %d was asked %g times, not %g", k+1, got, want)
		}
	}
	even := newPopularity(4, 0, 1)
	seen := map[int]int{}
	for r := rand.New(rand.NewPCG(1, 1)); len(seen) < 4; {
		seen[even.draw(r)]++
	}
}

// An answer of another variant's weights is found out.
func TestVerifyFindsWrongLogits(t *testing.T) {
	logits, labels := []float32{1, -2, 0.5, 3}, []string{"a", "b", "c", "d"}
	for what, c := range map[string]struct {
		scores []labelScore
		wrong  int
	}{
		"as it is":                {[]labelScore{{"d", 3}, {"a", 1}}, 0},
		"rounded":                 {[]labelScore{{"d", 3.02}, {"a", 0.99}}, 0},
		"another best label":      {[]labelScore{{"a", 1}}, 1},
		"another logit":           {[]labelScore{{"d", 3}, {"c", 1.5}}, 1},
		"a label that it has not": {[]labelScore{{"e", 3}}, 1},
	} {
		var v verified
		v.hold("m", c.scores, logits, labels, tolerated)
		if v.Checked != 1 || v.Wrong != c.wrong {
			t.Errorf("%s: %+v", what, v)
		}
	}
}

// The likeness of the embedded family gives variants that take a small share of
// the bytes, as its own do.
func TestBenchStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	out := must(t, "bench", "store", "--model", "small", "--rank", "24", "--variants", "4", "--out", dir)
	s, err := store.Open(dir)
	if err != nil || len(s.Variants()) != 4 {
		t.Fatalf("%v: %s", err, out)
	}
	classes := map[int]bool{}
	for _, v := range s.Variants() {
		classes[v.Classes] = true
		if share := float64(v.Bytes) / float64(v.SourceBytes); share > 0.1 || share < 1e-3 {
			t.Errorf("%s takes %g of its source", v.Name, share)
		}
	}
	if len(classes) < 3 {
		t.Errorf("numbers of classes %v", classes)
	}
	if code := (&Main{Stdout: io.Discard, Stderr: io.Discard}).Run(context.Background(), []string{"bench", "store", "--model", "small", "--variants", "1", "--out", dir}); code != 1 {
		t.Errorf("into a store that holds models: status %d", code)
	}
}
