package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"eigenserve/cmd/internal/measure"
)

// TestBench measures the parts that are quick to measure. Any machine must pass it.
func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for seconds")
	}
	var out, errs bytes.Buffer
	m := Main{Stdout: &out, Stderr: &errs}
	if code := m.Run(context.Background(), []string{"bench", "--only", "rebuild,factored,http", "--repeats", "1", "--json"}); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	var r measure.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rebuild) != 3 || len(r.Forward) != 8 || len(r.HTTP) != 2 || len(r.Matmul) != 0 || len(r.Cold) != 0 {
		t.Fatalf("%d rebuilds, %d passes, %d over HTTP, %d products, %d cold", len(r.Rebuild), len(r.Forward), len(r.HTTP), len(r.Matmul), len(r.Cold))
	}
	for _, x := range r.Rebuild {
		if !(x.Ms > 0 && x.FloorMs > 0) {
			t.Errorf("%+v", x)
		}
	}
	for _, x := range r.HTTP {
		if !(x.RequestsPer > 0 && x.Outside >= 0 && x.Outside < 1) {
			t.Errorf("%+v", x)
		}
	}
}

func TestBenchRefusesUnknownParts(t *testing.T) {
	var out, errs bytes.Buffer
	m := Main{Stdout: &out, Stderr: &errs}
	if code := m.Run(context.Background(), []string{"bench", "--only", "rebuild,speed"}); code != 2 {
		t.Errorf("exit %d: %s", code, &errs)
	}
}
