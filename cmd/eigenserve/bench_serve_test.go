package main

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/cmd/internal/load"
	"eigenserve/store"
)

// smallStore makes a store of variants of the small model and returns its folder.
func smallStore(t *testing.T, variants int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s, err := store.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	sy := small
	sy.Variants, sy.LabelCount = variants, func(i int) int { return 3 + i }
	if err := sy.Install(s); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Bench serve puts the same load on several servers and finds every answer right.
func TestBenchServe(t *testing.T) {
	t.Setenv(childVariable, "1")
	dense := t.TempDir()
	makeCheckpoints(t, dense, 2, 1)
	args := []string{"bench", "serve", "--store", smallStore(t, 6), "--weight-cache", "1MiB", "--capacity", "300ms", "--workers", "2",
		"--duration", "700ms", "--warmup", "100ms", "--load", "0.3,0.1", "--first", "--adds", "4", "--serve-flag=--queue=64", "--verify", "12", "--memory", "1GiB",
		"--baseline", "dense,unmixed", "--dense", dense}
	var r load.Report
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
				t.Errorf("other weights were compared with the store's: %+v", v)
			}
		case v == nil || v.Checked != 12 || v.Wrong != 0:
			t.Errorf("%s: %+v", run.Name, v)
		}
	}
	if want := []string{"eigenserve", "baseline dense", "baseline unmixed"}; r.Models != 6 || !slices.Equal(names, want) {
		t.Errorf("%d models, runs %v", r.Models, names)
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil || !strings.Contains(text.String(), "0.3 of capacity") {
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
