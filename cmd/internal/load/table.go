package load

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"eigenserve/cmd/internal/cli"
)

// Print shows a load's report as tables.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d models, Zipf %g, latencies in ms from when a request was due\n", r.Models, r.Zipf)
	for _, run := range r.Runs {
		if err := run.print(w); err != nil {
			return err
		}
	}
	return r.compare(w)
}

func (r *ServerReport) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n", strings.ToUpper(r.Name))
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if r.Started > 0 {
		add("started in %.2f s", r.Started)
	}
	add("%s resident when idle, %s for each model", cli.Size(r.Idle), cli.Size(r.Idle/int64(max(r.Models, 1))))
	if a := r.Adds; a != nil {
		add("listed in %d pages, p50 %.1f, p99 %.1f", a.Pages, a.Listed.P50, a.Listed.P99)
		add("%d hot-adds, p50 %.1f, p99 %.1f; removals p50 %.1f, p99 %.1f", a.Added.Count, a.Added.P50, a.Added.P99, a.Removed.P50, a.Removed.P99)
	}
	if r.First != nil {
		add("%s with all models loaded and no slab (%.0f times less than %s dense)", cli.Size(r.NoSlab), Ratio(r.Dense, r.NoSlab), cli.Size(r.Dense))
		add("first answers p50 %.1f, p99 %.1f; warm p50 %.1f: %.2f times", r.First.P50, r.First.P99, r.Warm.P50, r.First.P50/r.Warm.P50)
	}
	if r.Capacity > 0 {
		add("capacity %.1f answers a second", r.Capacity)
	}
	if r.Peak > 0 {
		add("%s resident at most", cli.Size(r.Peak))
	}
	fmt.Fprintln(w, strings.Join(facts, "\n"))
	rows := [][]string{{"LOAD", "OFFERED/S", "ANSWERED/S", "200", "429/503", "FAILED", "WRONG", "P50", "P90", "P99", "P99.9"}}
	for _, s := range r.Stages {
		rows = append(rows, append([]string{s.Name, fmt.Sprintf("%.1f", s.Rate), fmt.Sprintf("%.1f", s.Achieved), fmt.Sprint(s.Answered),
			fmt.Sprint(s.Refused), fmt.Sprint(s.Failed), fmt.Sprint(s.Wrong)}, s.Latency.cells()...))
		for _, weights := range sortedKeys(s.ByWeights) {
			l := s.ByWeights[weights]
			rows = append(rows, append([]string{"  " + weights, "", "", fmt.Sprint(l.Count), "", "", ""}, l.cells()...))
		}
		if s.Refused > 0 {
			rows = append(rows, append([]string{"  refusals", "", "", "", "", "", ""}, s.Refusals.cells()...))
		}
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for _, s := range r.Stages {
		fmt.Fprintf(w, "%s: resident %s\n", s.Name, s.Memory)
		for _, c := range sortedKeys(s.Complaints) {
			fmt.Fprintf(w, "%s: %d times %s\n", s.Name, s.Complaints[c], c)
		}
	}
	if v := r.Verified; v != nil {
		fmt.Fprintf(w, "%d answers compared with logits computed anew: %d wrong, the farthest off by %.3f of the logits' spread %s\n", v.Checked, v.Wrong, v.Farthest, v.First)
	}
	return nil
}

// compare says how the others do against the first.
func (r *Report) compare(w io.Writer) error {
	if len(r.Runs) < 2 {
		return nil
	}
	rows := [][]string{{"", "CAPACITY/S", "TIMES", "P99 AT THE FIRST LOAD", "RESIDENT AT MOST"}}
	for _, run := range r.Runs {
		rows = append(rows, []string{run.Name, fmt.Sprintf("%.1f", run.Capacity), fmt.Sprintf("%.2f", r.Runs[0].Capacity/run.Capacity),
			fmt.Sprintf("%.1f", run.Stages[0].Latency.P99), cli.Size(run.Peak)})
	}
	fmt.Fprintln(w)
	return cli.Table(w, rows)
}

func (l Latencies) cells() []string {
	out := []string{"-", "-", "-", "-"}
	if l.Count > 0 {
		for i, x := range []float64{l.P50, l.P90, l.P99, l.P999} {
			out[i] = fmt.Sprintf("%.1f", x)
		}
	}
	return out
}

func Ratio(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
