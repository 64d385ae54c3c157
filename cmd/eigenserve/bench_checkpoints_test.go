package main

import (
	"context"
	"strings"
	"testing"
)

func TestBenchCheckpointsUsage(t *testing.T) {
	for _, args := range [][]string{{"--model", "large", "--out", "x"}, {"--count", "0", "--out", "x"}, {}} {
		var errs strings.Builder
		m := &Main{Stdout: &strings.Builder{}, Stderr: &errs}
		if code := m.Run(context.Background(), append([]string{"bench", "checkpoints"}, args...)); code != 2 {
			t.Errorf("%v: status %d: %s", args, code, errs.String())
		}
	}
}
