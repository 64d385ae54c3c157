package chaos

import (
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/load"
	"eigenserve/runtime"
)

// Report is what a run saw.
type Report struct {
	mu sync.Mutex // guards what follows

	Seconds float64 `json:"seconds"`
	Seed    uint64  `json:"seed"`
	// Counts has, by what was done, how often it ended with each status; 0 is
	// what has none, or got no answer.
	Counts map[string]map[int]int `json:"counts"`
	// Wrong counts wrong answers, lost writes and whatever else may not be;
	// Complaints are the first of them.
	Wrong      int      `json:"wrong"`
	Complaints []string `json:"complaints,omitempty"`
	// Logits are answers whose logits were compared with the reference's.
	Logits  load.Verification `json:"logits"`
	Skipped int               `json:"not_compared"` // the file was gone before anybody saw it
	Unable  map[string]string `json:"unable,omitempty"`
	Latency load.Latencies    `json:"latency"`
	Memory  Memory            `json:"memory"`

	errs  []error // of this program
	times *hdrhistogram.Histogram
}

// Memory is the memory of the last, long life, without the fifth of it in which
// caches and pools fill, and Go's heap finds its size.
type Memory struct {
	Samples int `json:"samples"`
	// First and Last are of the first and of the last third of what remains.
	First Window `json:"first_third"`
	Last  Window `json:"last_third"`
	// Growth is of the resident memory, or where a race detector was built in, of the
	// account: the detector keeps some of each goroutine and connection for ever.
	Growth float64 `json:"growth"`
	Racing bool    `json:"race_detector"`
	Peak   int64   `json:"peak_bytes"`
}

// Window has the medians of a window's samples, each of its own.
type Window struct {
	RSS int64 `json:"rss_bytes"`
	// Account is the account's total: all that Go holds, and bases.
	Account int64 `json:"account_bytes"`
	// Bases come and go: one is retired when no model stands on it any more.
	Bases int64 `json:"bases_bytes"`
}

func newReport(seed uint64) *Report {
	return &Report{Seed: seed, Counts: map[string]map[int]int{}, Unable: map[string]string{}, times: load.NewHistogram()}
}

func (r *Report) count(what string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Counts[what] == nil {
		r.Counts[what] = map[int]int{}
	}
	r.Counts[what][status]++
}

func (r *Report) observeLatency(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.times.RecordValue(max(d.Microseconds(), 1))
}

// maxComplaints are told; the rest is counted.
const maxComplaints = 50

func (r *Report) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Wrong++; len(r.Complaints) < maxComplaints {
		r.Complaints = append(r.Complaints, fmt.Sprintf(format, args...))
	}
}

func (r *Report) violationIf(err error) {
	if err != nil {
		r.violation("%v", err)
	}
}

func (r *Report) internalError(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

func (r *Report) notCompared(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Skipped++
}

func (r *Report) unable(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Unable[what] = err.Error()
}

// float32Tolerance is how far a logit may be off that was computed in float32, as
// chaos has its server do, in units of the logits' spread.
const float32Tolerance = 1e-3

// compareLogits compares an answer with what it should be.
func (r *Report) compareLogits(a read, want variantLogits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Logits.Compare(a.model, a.scores, want.logits[a.image], want.labels, float32Tolerance)
}

// finish sums up.
func (r *Report) finish(took time.Duration, samples []runtime.Ledger, peak int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Wrong += r.Logits.Wrong; r.Logits.First != "" {
		r.Complaints = append(r.Complaints, r.Logits.First)
	}
	r.Seconds, r.Latency = took.Seconds(), load.Summarize(r.times)
	r.Memory = steadyMemory(samples, raceDetector())
	r.Memory.Peak = peak
}

func steadyMemory(samples []runtime.Ledger, racing bool) Memory {
	m := Memory{Samples: len(samples), Racing: racing}
	warm := samples[len(samples)/5:]
	third := len(warm) / 3
	m.First, m.Last = windowOf(warm[:third]), windowOf(warm[len(warm)-third:])
	if m.Growth = load.Ratio(m.Last.RSS, m.First.RSS); racing {
		m.Growth = load.Ratio(m.Last.Account, m.First.Account)
	}
	return m
}

// raceDetector tells whether this program, which the server is too, was built with one.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func windowOf(samples []runtime.Ledger) Window {
	median := func(of func(runtime.Ledger) int64) int64 {
		var all []int64
		for _, a := range samples {
			all = append(all, of(a))
		}
		if slices.Sort(all); len(all) == 0 {
			return 0
		}
		return all[len(all)/2]
	}
	return Window{
		RSS:     median(func(a runtime.Ledger) int64 { return a.RSS }),
		Account: median(func(a runtime.Ledger) int64 { return a.Total }),
		Bases:   median(func(a runtime.Ledger) int64 { return a.Basis }),
	}
}

func (r *Report) Print(w io.Writer) error {
	rows := [][]string{{"WHAT", "TIMES", "ENDED"}}
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		n, ends := 0, []string(nil)
		for _, status := range slices.Sorted(maps.Keys(r.Counts[what])) {
			times := r.Counts[what][status]
			if n += times; status > 0 {
				ends = append(ends, fmt.Sprintf("%d: %d", status, times))
			} else if len(r.Counts[what]) > 1 {
				ends = append(ends, fmt.Sprintf("cut off: %d", times))
			}
		}
		rows = append(rows, []string{what, fmt.Sprint(n), strings.Join(ends, ", ")})
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for what, why := range r.Unable {
		fmt.Fprintf(w, "not tried: %s: %s\n", what, why)
	}
	m := r.Memory
	fmt.Fprintf(w, "\n%.0f s, seed %d. Answers p50 %.1f ms, p99 %.1f ms, longest %.0f ms.\n", r.Seconds, r.Seed, r.Latency.P50, r.Latency.P99, r.Latency.Max)
	fmt.Fprintf(w, "Logits of %d answers compared with those of the files alone: %d wrong, the farthest off by %.3f of their spread; %d not compared.\n",
		r.Logits.Checked, r.Logits.Wrong, r.Logits.Farthest, r.Skipped)
	fmt.Fprintf(w, "Resident in the last life, but for its first fifth, in the median: %s in the first third, %s in the last; by the account %s and %s, of that bases %s and %s. %s at most in any life.\n",
		cli.Size(m.First.RSS), cli.Size(m.Last.RSS), cli.Size(m.First.Account), cli.Size(m.Last.Account), cli.Size(m.First.Bases), cli.Size(m.Last.Bases), cli.Size(m.Peak))
	grew := "resident memory"
	if m.Racing {
		grew = "account: the race detector keeps memory of its own"
	}
	fmt.Fprintf(w, "It grew %.2f times (%s).\n", m.Growth, grew)
	for _, x := range r.Complaints {
		fmt.Fprintf(w, "wrong: %s\n", x)
	}
	_, err := fmt.Fprintf(w, "%d wrong answers or lost writes.\n", r.Wrong)
	return err
}
