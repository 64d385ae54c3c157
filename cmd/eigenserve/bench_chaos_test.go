package main

import (
	"io"
	"os"
	goruntime "runtime"
	"strings"
	"testing"

	"eigenserve/cmd/internal/chaos"
)

// In a short chaos run the server answers nothing wrong and loses nothing.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for a quarter of a minute")
	}
	t.Setenv(childVariable, "1")
	dir := t.TempDir()
	var r chaos.Report
	decode(t, must(t, "bench", "chaos", "--duration", "12s", "--seed", "3", "--dir", dir, "--json"), &r)
	if r.Wrong != 0 || len(r.Complaints) != 0 || r.Logits.Checked < 100 || r.Memory.Samples == 0 || r.Memory.First.RSS == 0 || r.Memory.First.Account == 0 || r.Memory.Peak < r.Memory.First.RSS {
		t.Errorf("%+v", &r)
	}
	done := func(what string, statuses ...int) (n int) {
		for _, s := range statuses {
			n += r.Counts[what][s]
		}
		return n
	}
	for what, n := range map[string]int{
		"kill -9": done("kill -9", 0), "refits": done("refits", 0) + done("refits killed", 0), "collections": done("collections", 0),
		"hot-adds": done("hot-adds", 201), "replacements": done("replacements", 200), "deletes": done("deletes", 204),
		"checkpoints": done("checkpoints", 200, 201), "alias moves": done("alias moves", 200, 201), "broken files": done("broken files", 400),
		"cut uploads": done("cut uploads", 0), "slow clients": done("slow clients", 0), "cut connections": done("cut connections", 0),
	} {
		if n == 0 {
			t.Errorf("there were no %s: %v", what, r.Counts)
		}
	}
	if goruntime.GOOS == "linux" && done("full disk", 0) == 0 {
		t.Errorf("the disk was never full: %v", r.Unable)
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil || !strings.Contains(text.String(), "0 wrong answers or lost writes") {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestChaosRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(full+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for args, status := range map[string]int{"--duration 0s": 2, "--readers 0": 2, "--growth 1": 2, "more": 2, "--dir " + full: 1} {
		m := &Main{Stdout: io.Discard, Stderr: io.Discard}
		if code := m.Run(t.Context(), append([]string{"bench", "chaos"}, strings.Fields(args)...)); code != status {
			t.Errorf("%q: status %d", args, code)
		}
	}
}
