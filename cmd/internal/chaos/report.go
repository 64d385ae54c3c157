package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/load"
	"eigenserve/runtime"
)

// Report is the outcome of a run, as it is printed.
type Report struct {
	mu sync.Mutex // guards all fields below, until the run has ended

	Seconds float64 `json:"seconds"`
	Seed    uint64  `json:"seed"`
	// Counts are the number of operations by kind and status. Status 0 stands for no
	// answer, and for operations that have none.
	Counts map[string]map[int]int `json:"counts"`
	// Wrong counts wrong answers, lost writes and other violations. Complaints are the
	// first of them.
	Wrong      int      `json:"wrong"`
	Complaints []string `json:"complaints,omitempty"`
	// Logits counts the answers whose logits were compared with the reference.
	Logits load.Verification `json:"logits"`
	// Skipped counts answers that could not be compared: their file was removed
	// before the reference read it.
	Skipped int `json:"not_compared"`
	// Unable are faults that this machine cannot cause, and why.
	Unable  map[string]string `json:"unable,omitempty"`
	Latency load.Latencies    `json:"latency"`
	Memory  Memory            `json:"memory"`

	errs      []error // of this program
	latencies *hdrhistogram.Histogram
}

func newReport(seed uint64) *Report {
	return &Report{Seed: seed, Counts: map[string]map[int]int{}, Unable: map[string]string{}, latencies: load.NewHistogram()}
}

// count counts an operation.
func (r *Report) count(what string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Counts[what] == nil {
		r.Counts[what] = map[int]int{}
	}
	r.Counts[what][status]++
}

// observeLatency adds the latency of an answer.
func (r *Report) observeLatency(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.latencies.RecordValue(max(d.Microseconds(), 1))
}

// maxComplaints is the number of violations that are reported in full.
const maxComplaints = 50

// violation counts something that must not happen.
func (r *Report) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Wrong++; len(r.Complaints) < maxComplaints {
		r.Complaints = append(r.Complaints, fmt.Sprintf(format, args...))
	}
}

// violationIf counts err unless it is nil.
func (r *Report) violationIf(err error) {
	if err != nil {
		r.violation("%v", err)
	}
}

// internalError makes the run fail: this program, not the server, is at fault.
func (r *Report) internalError(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// skip counts an answer that cannot be compared.
func (r *Report) skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Skipped++
}

// unable records a fault that cannot be caused here.
func (r *Report) unable(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Unable[what] = err.Error()
}

// float32Tolerance is the largest difference of a logit that was computed in float32,
// in standard deviations of the logits.
const float32Tolerance = 1e-3

// compareLogits compares an answer with what it should be.
func (r *Report) compareLogits(a read, want variantLogits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Logits.Compare(a.model, a.scores, want.logits[a.image], want.labels, float32Tolerance)
}

// finish completes the report. samples are the server's accounts of its memory, peak
// its largest resident set.
func (r *Report) finish(took time.Duration, samples []runtime.Ledger, peak int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Wrong += r.Logits.Wrong; r.Logits.First != "" {
		r.Complaints = append(r.Complaints, r.Logits.First)
	}
	r.Seconds, r.Latency = took.Seconds(), load.Summarize(r.latencies)
	r.Memory = steadyMemory(samples, raceDetector())
	r.Memory.Peak = peak
}

// Print writes the report as text.
func (r *Report) Print(w io.Writer) error {
	rows := [][]string{{"OPERATION", "COUNT", "STATUS: COUNT"}}
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		rows = append(rows, countsRow(what, r.Counts[what]))
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for what, why := range r.Unable {
		fmt.Fprintf(w, "not tried: %s: %s\n", what, why)
	}
	fmt.Fprintf(w, "\n%.0f s, seed %d. Answers: p50 %.1f ms, p99 %.1f ms, longest %.0f ms.\n", r.Seconds, r.Seed, r.Latency.P50, r.Latency.P99, r.Latency.Max)
	fmt.Fprintf(w, "Logits of %d answers compared with the reference: %d wrong; largest difference %.3f standard deviations; %d not compared.\n",
		r.Logits.Checked, r.Logits.Wrong, r.Logits.Farthest, r.Skipped)
	fmt.Fprintln(w, r.Memory)
	for _, c := range r.Complaints {
		fmt.Fprintf(w, "wrong: %s\n", c)
	}
	_, err := fmt.Fprintf(w, "%d wrong answers or lost writes.\n", r.Wrong)
	return err
}

// countsRow returns the row of a kind of operation.
func countsRow(what string, counts map[int]int) []string {
	n, statuses := 0, []string(nil)
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		n += counts[status]
		switch {
		case status > 0:
			statuses = append(statuses, fmt.Sprintf("%d: %d", status, counts[status]))
		case len(counts) > 1:
			statuses = append(statuses, fmt.Sprintf("cut off: %d", counts[status]))
		}
	}
	return []string{what, fmt.Sprint(n), strings.Join(statuses, ", ")}
}
