package chaos

import (
	"fmt"
	"runtime/debug"
	"slices"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/load"
	"eigenserve/runtime"
)

// Memory is the memory of the server during the second half of a run, in which it is
// not killed. The first fifth of that is left out, for caches and pools to fill and
// for Go's heap to find its size.
type Memory struct {
	Samples int `json:"samples"`
	// First and Last are the first and the last third of what remains.
	First Window `json:"first_third"`
	Last  Window `json:"last_third"`
	// Growth is Last over First, of the resident set. With a race detector, which
	// keeps memory for every goroutine that ever was, it is that of the account.
	Growth float64 `json:"growth"`
	Racing bool    `json:"race_detector"`
	Peak   int64   `json:"peak_bytes"`
}

// Window holds the medians of some samples.
type Window struct {
	RSS int64 `json:"rss_bytes"`
	// Account is the total of the server's own account.
	Account int64 `json:"account_bytes"`
	// Bases is the memory of bases. It varies: a basis is dropped when no model uses
	// it any more.
	Bases int64 `json:"bases_bytes"`
}

// steadyMemory returns the growth of memory over some samples.
func steadyMemory(samples []runtime.Ledger, racing bool) Memory {
	m := Memory{Samples: len(samples), Racing: racing}
	warm := samples[len(samples)/5:]
	third := len(warm) / 3
	m.First, m.Last = medians(warm[:third]), medians(warm[len(warm)-third:])
	if m.Growth = load.Ratio(m.Last.RSS, m.First.RSS); racing {
		m.Growth = load.Ratio(m.Last.Account, m.First.Account)
	}
	return m
}

func medians(samples []runtime.Ledger) Window {
	median := func(of func(runtime.Ledger) int64) int64 {
		var all []int64
		for _, s := range samples {
			all = append(all, of(s))
		}
		if slices.Sort(all); len(all) == 0 {
			return 0
		}
		return all[len(all)/2]
	}
	return Window{
		RSS:     median(func(l runtime.Ledger) int64 { return l.RSS }),
		Account: median(func(l runtime.Ledger) int64 { return l.Total }),
		Bases:   median(func(l runtime.Ledger) int64 { return l.Basis }),
	}
}

// raceDetector reports whether this program was built with the race detector. The
// server is the same program.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// String describes the memory in a few lines.
func (m Memory) String() string {
	of := "the resident set"
	if m.Racing {
		of = "the account, since the race detector keeps memory itself"
	}
	return fmt.Sprintf("Median memory without kills, after a warm-up, in the first and the last third: resident %s and %s, by the account %s and %s, of it bases %s and %s.\n"+
		"Growth of %s: %.2f times. Largest resident set: %s.",
		cli.Size(m.First.RSS), cli.Size(m.Last.RSS), cli.Size(m.First.Account), cli.Size(m.Last.Account),
		cli.Size(m.First.Bases), cli.Size(m.Last.Bases), of, m.Growth, cli.Size(m.Peak))
}
