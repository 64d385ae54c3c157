package runtime

import (
	"context"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"math"
	"os"
	"os/exec"
	goruntime "runtime"
	"runtime/debug"
	"testing"
)

// rssStore is the environment variable with the path of the store that a child process of the
// test serves.
const rssStore = "EIGENSERVE_TEST_RSS_STORE"

// TestLedgerAgreesWithRSS compares the ledger with the resident set of a child process that
// only serves. The memory of this process also depends on the tests before.
func TestLedgerAgreesWithRSS(t *testing.T) {
	if dir := os.Getenv(rssStore); dir != "" {
		compareLedgerWithRSS(t, dir)
		return
	}
	if goruntime.GOOS != "linux" {
		t.Skip("measured on Linux only")
	}
	if testing.Short() {
		t.Skip("installs 200 variants")
	}
	if race {
		t.Skip("the race detector takes memory that the ledger does not count")
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), rssStore+"="+teststore.Zoo(t).Dir())
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// compareLedgerWithRSS compares both with no variant rebuilt, with a few, and with all.
func compareLedgerWithRSS(t *testing.T, dir string) {
	s := testfamily.Reopen(t, dir)
	eng := serve(t, s, Options{WeightCache: 1 << 30})
	// The two may differ by a part of the RSS, and by the bytes of the program's pages that
	// are touched for the first time.
	compare := func(when string, part, bytes float64, collect bool) {
		if collect {
			debug.FreeOSMemory()
		}
		l := eng.Ledger()
		measured := float64(l.RSS - l.IdleRSS)
		t.Logf("%s: the ledger has %d bytes, the RSS rose by %.0f: %+.1f%%\n%+v", when, l.Total, measured, 100*(float64(l.Total)/measured-1), l)
		if math.Abs(float64(l.Total)-measured) > part*measured+bytes {
			t.Errorf("%s: the ledger has %d bytes, the RSS rose by %.0f", when, l.Total, measured)
		}
	}
	must(eng.Preload(context.Background()))
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
