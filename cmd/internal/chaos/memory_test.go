package chaos

import (
	"testing"

	"eigenserve/runtime"
)

// Memory that levels off after the warm-up has not grown, whatever its peaks. Memory that
// keeps growing has.
func TestSteadyMemory(t *testing.T) {
	samples := func(rss func(i int) int64) (out []runtime.Ledger) {
		for i := range 1000 {
			out = append(out, runtime.Ledger{RSS: rss(i), Total: rss(i) / 2, Basis: 7})
		}
		return out
	}
	levels := steadyMemory(samples(func(i int) int64 {
		if i%10 == 0 {
			return 9000
		}
		return 1000 + int64(min(i, 200))
	}), false)
	if w := (Window{1200, 600, 7}); levels.First != w || levels.Last != w || levels.Growth != 1 {
		t.Errorf("memory that levels off: %+v", levels)
	}
	doubles := samples(func(i int) int64 { return 1000 + int64(i) })
	for _, racing := range []bool{false, true} {
		if grows := steadyMemory(doubles, racing); grows.Growth < 1.35 {
			t.Errorf("memory that doubles: %+v", grows)
		}
	}
	for i := range doubles {
		doubles[i].Total = 600
	}
	if kept := steadyMemory(doubles, true); kept.Growth != 1 {
		t.Errorf("memory that only the race detector keeps: %+v", kept)
	}
	if none := steadyMemory(nil, false); none.Growth != 0 {
		t.Errorf("no samples: %+v", none)
	}
}
