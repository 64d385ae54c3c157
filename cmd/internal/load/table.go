package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"eigenserve/cmd/internal/cli"
)

// Print writes the report as tables.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d models, Zipf %g; latencies in ms, from when a request was due\n", r.Models, r.Zipf)
	for _, run := range r.Runs {
		if err := run.print(w); err != nil {
			return err
		}
	}
	return r.printComparison(w)
}

func (r *ServerReport) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n%s\n", strings.ToUpper(r.Name), strings.Join(r.facts(), "\n"))
	rows := [][]string{{"LOAD", "OFFERED/S", "ANSWERED/S", "200", "429/503", "FAILED", "WRONG", "P50", "P90", "P99", "P99.9"}}
	for _, s := range r.Stages {
		rows = append(rows, s.rows()...)
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for _, s := range r.Stages {
		fmt.Fprintf(w, "%s: resident %s\n", s.Name, s.Memory)
		for _, c := range slices.Sorted(maps.Keys(s.Complaints)) {
			fmt.Fprintf(w, "%s: %d × %s\n", s.Name, s.Complaints[c], c)
		}
	}
	if v := r.Verified; v != nil {
		fmt.Fprintf(w, "%d answers compared with the reference: %d wrong; largest difference of a logit %.3f standard deviations\n", v.Checked, v.Wrong, v.Farthest)
		if v.First != "" {
			fmt.Fprintf(w, "first wrong answer: %s\n", v.First)
		}
	}
	return nil
}

// facts returns a line for each thing that was measured besides the stages.
func (r *ServerReport) facts() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if r.Started > 0 {
		add("started in %.2f s", r.Started)
	}
	add("%s resident when idle, %s per model", cli.Size(r.Idle), cli.Size(r.Idle/int64(max(r.Models, 1))))
	if a := r.Adds; a != nil {
		add("listed in %d pages, p50 %.1f, p99 %.1f", a.Pages, a.Listed.P50, a.Listed.P99)
		add("%d hot-adds, p50 %.1f, p99 %.1f; removals p50 %.1f, p99 %.1f", a.Added.Count, a.Added.P50, a.Added.P99, a.Removed.P50, a.Removed.P99)
	}
	if r.First != nil {
		add("%s resident with all models loaded and no slab, %.0f times less than %s dense", cli.Size(r.NoSlab), Ratio(r.Dense, r.NoSlab), cli.Size(r.Dense))
		add("first answers p50 %.1f, p99 %.1f, %.2f times the warm p50 of %.1f", r.First.P50, r.First.P99, r.First.P50/r.Warm.P50, r.Warm.P50)
	}
	if r.Capacity > 0 {
		add("capacity %.1f answers per second", r.Capacity)
	}
	if r.Peak > 0 {
		add("%s peak resident", cli.Size(r.Peak))
	}
	return lines
}

// rows returns a row for the stage, for each kind of weights, and for refusals.
func (s *StageReport) rows() [][]string {
	rows := [][]string{append([]string{s.Name, fmt.Sprintf("%.1f", s.Rate), fmt.Sprintf("%.1f", s.Achieved), fmt.Sprint(s.Answered),
		fmt.Sprint(s.Refused), fmt.Sprint(s.Failed), fmt.Sprint(s.Wrong)}, s.Latency.cells()...)}
	for _, weights := range slices.Sorted(maps.Keys(s.ByWeights)) {
		l := s.ByWeights[weights]
		rows = append(rows, append([]string{"  " + weights, "", "", fmt.Sprint(l.Count), "", "", ""}, l.cells()...))
	}
	if s.Refused > 0 {
		rows = append(rows, append([]string{"  refusals", "", "", "", "", "", ""}, s.Refusals.cells()...))
	}
	return rows
}

// printComparison writes how the baselines compare with the first server.
func (r *Report) printComparison(w io.Writer) error {
	if len(r.Runs) < 2 {
		return nil
	}
	rows := [][]string{{"", "CAPACITY/S", "FIRST/THIS", "P99 AT FIRST LOAD", "PEAK RESIDENT"}}
	for _, run := range r.Runs {
		rows = append(rows, []string{run.Name, fmt.Sprintf("%.1f", run.Capacity), fmt.Sprintf("%.2f", r.Runs[0].Capacity/run.Capacity),
			fmt.Sprintf("%.1f", run.Stages[0].Latency.P99), cli.Size(run.Peak)})
	}
	fmt.Fprintln(w)
	return cli.Table(w, rows)
}

// cells returns the cells of a table's row.
func (l Latencies) cells() []string {
	out := []string{"-", "-", "-", "-"}
	if l.Count > 0 {
		for i, x := range []float64{l.P50, l.P90, l.P99, l.P999} {
			out[i] = fmt.Sprintf("%.1f", x)
		}
	}
	return out
}

// Ratio returns a over b.
func Ratio(a, b int64) float64 { return float64(a) / float64(max(b, 1)) }
