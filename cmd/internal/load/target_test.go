package load

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"eigenserve/cmd/internal/client"
)

// fakeTarget returns a target with one model, whose server is handler.
func fakeTarget(t *testing.T, handler http.HandlerFunc) *target {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return newTarget(c, []servedModel{{name: "m", digest: "d"}}, [][]byte{[]byte("image")}, 1024)
}

func validAnswer(w http.ResponseWriter) {
	w.Header().Set("Eigenserve-Variant", "m@d")
	w.Header().Set("Server-Timing", "queue;dur=1, weights;desc=slab")
	io.WriteString(w, `[{"label":"a","score":1}]`)
}

// Requests are sent whether or not earlier ones were answered, and their latencies
// are measured from when they were due: a server that answers none before the last
// has arrived is charged for it.
func TestOpenLoopDoesNotWait(t *testing.T) {
	const rate, span = 400, 500 * time.Millisecond
	due := slices.Collect(poisson(rate, span, newPopularity(1, 1, 1), 1, rand.New(rand.NewPCG(1, 2))))
	var mu sync.Mutex // guards arrived
	arrived, all := 0, make(chan struct{})
	tg := fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if arrived++; arrived == len(due) {
			close(all)
		}
		mu.Unlock()
		<-all
		validAnswer(w)
	})
	stats, err := tg.openLoop(context.Background(), rate, 0, span, newPopularity(1, 1, 1), 1)
	if err != nil || stats.answered != int64(len(due)) {
		t.Fatalf("%d of %d answered: %v", stats.answered, len(due), err)
	}
	first := (due[len(due)-1].due - due[0].due).Seconds() * 1000
	if l := Summarize(stats.all); l.Max < 0.99*first {
		t.Errorf("the first waited %g ms for the last, but the largest latency is %g", first, l.Max)
	}
}

// Answers are counted by their kind.
func TestStageStats(t *testing.T) {
	n := 0
	answers := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { validAnswer(w) },
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
	stats := newStageStats()
	for range answers {
		stats.add(tg.send(context.Background(), arrival{}, time.Now()))
	}
	s := stats.report("x", 1, time.Second)
	if s.Offered != 7 || s.Answered != 3 || s.Refused != 2 || s.Failed != 2 || s.Wrong != 2 || s.ByWeights["slab"].Count != 1 {
		t.Errorf("%+v", s)
	}
	if len(s.Complaints) != 4 {
		t.Errorf("problems %v", s.Complaints)
	}
}
