package runtime

import (
	"context"
	"math"
	"os"
	"os/exec"
	goruntime "runtime"
	"runtime/debug"
	"testing"
)

// rssChild names the store that a child process of the test is to serve.
const rssChild = "EIGENSERVE_TEST_RSS_STORE"

// TestLedgerIsWhatTheSystemMeasures compares the ledger with the resident set
// of a process that does nothing but serve: this one has run other tests.
func TestLedgerIsWhatTheSystemMeasures(t *testing.T) {
	if dir := os.Getenv(rssChild); dir != "" {
		serveAll(t, dir)
		return
	}
	if goruntime.GOOS != "linux" {
		t.Skip("measured on Linux only")
	}
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	if race {
		t.Skip("the race detector's memory is not ours")
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), rssChild+"="+zooStore())
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// serveAll compares both at rest, with few variants rebuilt and with all.
func serveAll(t *testing.T, dir string) {
	s := reopen(t, dir)
	eng := serve(t, s, Options{WeightCache: 1 << 30})
	// What the system measures may differ by a share, and by so many bytes of the
	// program's own pages that a first use touches.
	compare := func(when string, within, own float64, collect bool) {
		if collect {
			debug.FreeOSMemory()
		}
		l := eng.Ledger()
		measured := float64(l.RSS - l.IdleRSS)
		t.Logf("%s: the ledger says %d, the system %.0f above idle: %+.1f%%\n%+v", when, l.Total, measured, 100*(float64(l.Total)/measured-1), l)
		if math.Abs(float64(l.Total)-measured) > within*measured+own {
			t.Errorf("%s: the ledger says %d, the system %.0f above idle", when, l.Total, measured)
		}
	}
	if err := eng.Preload(context.Background()); err != nil {
		t.Fatal(err)
	}
	compare("coefficients alone", 0.1, 2<<20, true)
	image := picture(1, 32, 32)
	for i, e := range s.Variants() {
		classify(t, eng, e.Name, image)
		if i == 9 {
			compare("ten rebuilt", 0.1, 0, false)
		}
	}
	compare("all rebuilt", 0.1, 0, false)
	compare("all rebuilt and garbage collected", 0.1, 0, true)
}
