// Package load puts an open-loop load on a server, as independent clients would, and
// measures latencies, refusals, memory, and whether the answers are right. It starts no
// server: see package process.
package load

import (
	"fmt"
	"slices"
	"time"

	"eigenserve/cmd/internal/cli"
)

// Options describe a load and the servers to put it on.
type Options struct {
	Server string // URL of a running server
	Store  string // folder to start a server on, or to verify answers against

	// What is asked.
	Images string  // folder of images; "" for synthetic ones
	Models int     // 0 for all
	Zipf   float64 // exponent of the models' popularity
	Seed   uint64

	// How fast.
	Rate                 float64   // requests per second; 0 for Loads
	Loads                []float64 // in units of the measured capacity
	Duration, Warmup     time.Duration
	CapacityTime         time.Duration
	Workers, Connections int

	// What else is measured.
	First       bool // first answers of all models
	Verify      int  // answers to verify
	Adds        int  // models to hot-add
	MemoryLimit cli.SizeValue

	// Servers that are started.
	WeightCache cli.SizeValue
	ServeFlags  []string
	Baselines   []string
	DenseDir    string // checkpoints for the baseline "dense"
}

// baselines are the flags of the servers to compare with.
var baselines = map[string][]string{
	"dense":   {"--cold=rebuild"}, // and its folder
	"unmixed": {"--mixed=false"},
	"rebuild": {"--cold=rebuild"},
	"lru":     {"--cache-policy=lru"},
}

// Check returns an error of usage if the options make no sense.
func (o *Options) Check() error {
	if err := o.checkServers(); err != nil {
		return err
	}
	if o.Rate < 0 || o.Zipf < 0 || o.Duration <= 0 || o.Workers < 1 || o.Connections < 1 || o.Verify < 0 || o.Adds < 0 || o.Models < 0 || o.Warmup < 0 || o.CapacityTime <= 0 {
		return cli.Usagef("rates, times and counts must be positive")
	}
	if len(o.Loads) == 0 || slices.Min(o.Loads) <= 0 {
		return cli.Usagef("--load: give positive numbers")
	}
	for _, b := range o.Baselines {
		if _, ok := baselines[b]; !ok {
			return cli.Usagef("--baseline %q: use dense, unmixed, rebuild or lru", b)
		}
		if b == "dense" && o.DenseDir == "" {
			return cli.Usagef("--baseline dense needs --dense DIR; `eigenserve bench checkpoints` makes it")
		}
	}
	return nil
}

func (o *Options) checkServers() error {
	needsStore := o.Verify > 0 || o.Adds > 0
	switch {
	case o.Store == "" && o.Server == "", o.Store != "" && o.Server != "" && !needsStore:
		return cli.Usagef("give --store DIR or --server URL, or both with --verify or --adds")
	case o.Server != "" && len(o.Baselines)+len(o.ServeFlags) > 0:
		return cli.Usagef("--baseline and --serve-flag are for servers that this command starts: give --store without --server")
	case needsStore && o.Store == "":
		return cli.Usagef("--verify and --adds need --store, the folder that the server serves")
	}
	return nil
}

// serverFlags returns the flags of the server to start. The dense baseline may add to
// its weight cache what the first server holds in memory besides its own.
func (o *Options) serverFlags(baseline string, resident int64) []string {
	cache, flags := int64(o.WeightCache), baselines[baseline]
	if baseline == "dense" {
		cache += resident
		flags = append([]string{"--dense", o.DenseDir}, flags...)
	}
	return slices.Concat([]string{"--store", o.Store, "--weight-cache", fmt.Sprint(cache)}, o.ServeFlags, flags)
}

// title returns the name of the measured server for people.
func title(baseline string) string {
	if baseline == "" {
		return "eigenserve"
	}
	return "baseline " + baseline
}
