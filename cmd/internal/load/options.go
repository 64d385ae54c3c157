package load

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"eigenserve/cmd/internal/cli"
)

// Options is what bench serve was asked for.
type Options struct {
	Server, Store, Images, DenseDir string
	Baselines, ServeFlags           []string
	Rate                            float64
	Loads                           []float64
	Duration, Warmup, CapacityTime  time.Duration
	Zipf                            float64
	Models, Workers, Verify         int
	Adds                            int
	Connections                     int
	Seed                            uint64
	WeightCache, MemoryLimit        cli.SizeValue
	First                           bool
}

// baselines are what the same load may be put on for comparison, each with the
// flags of its server.
var baselines = map[string][]string{
	"dense":   nil, // and its folder
	"unmixed": {"--mixed=false"},
	"rebuild": {"--cold=rebuild"},
	"lru":     {"--cache-policy=lru"},
}

func (l *Options) Check() error {
	switch {
	case (l.Store == "") == (l.Server == ""):
		if l.Store == "" || l.Verify+l.Adds == 0 {
			return cli.Usagef("--store DIR or --server URL is needed; both only with --verify or --adds")
		}
	case l.Server != "" && len(l.Baselines)+len(l.ServeFlags) > 0:
		return cli.Usagef("--baseline and --serve-flag are of servers that are started here: give --store without --server")
	case (l.Verify > 0 || l.Adds > 0) && l.Store == "":
		return cli.Usagef("--verify and --adds need --store: the folder that the server serves")
	}
	if l.Rate < 0 || l.Zipf < 0 || l.Duration <= 0 || l.Workers < 1 || l.Connections < 1 || l.Verify < 0 || l.Adds < 0 || l.Models < 0 || l.Warmup < 0 || l.CapacityTime <= 0 {
		return cli.Usagef("rates, times and counts must be positive")
	}
	if len(l.Loads) == 0 || slices.Min(l.Loads) <= 0 {
		return cli.Usagef("--load: give positive numbers")
	}
	for _, b := range l.Baselines {
		if _, ok := baselines[b]; !ok {
			return cli.Usagef("--baseline %q: use dense, unmixed, rebuild or lru", b)
		}
		if b == "dense" && l.DenseDir == "" {
			return cli.Usagef("--baseline dense needs --dense DIR; `eigenserve bench checkpoints` makes it")
		}
	}
	return nil
}

// serverFlags are those of a server that is started for a run; beside is what it may
// hold beyond the weight cache.
func (l *Options) serverFlags(run string, beside int64) []string {
	cache := int64(l.WeightCache)
	extra := baselines[run]
	if run == "dense" {
		// What the basis and the coefficients take is the dense server's to use too.
		cache, extra = cache+beside, []string{"--dense", l.DenseDir, "--cold=rebuild"}
	}
	return slices.Concat([]string{"--store", l.Store, "--weight-cache", fmt.Sprint(cache)}, l.ServeFlags, extra)
}

// title of a run, for people.
func title(run string) string {
	if run == "" {
		return "eigenserve"
	}
	return strings.TrimSpace("baseline " + run)
}
