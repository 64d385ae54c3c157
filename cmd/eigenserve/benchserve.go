package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// loading is what bench serve was asked for.
type loading struct {
	server, store, images, dense string
	baselines, serveFlags        []string
	rate                         float64
	loads                        []float64
	duration, warmup, probing    time.Duration
	zipf                         float64
	models, workers, verify      int
	addCount                     int
	connections                  int
	seed                         uint64
	weightCache, limit           sizeValue
	first, json                  bool
}

// baselines are what the same load may be put on for comparison, each with the
// flags of its server.
var baselines = map[string][]string{
	"dense":   nil, // and its folder
	"unmixed": {"--mixed=false"},
	"rebuild": {"--cold=rebuild"},
	"lru":     {"--cache-policy=lru"},
}

func (m *Main) benchServe() *cobra.Command {
	var l loading
	cmd := &cobra.Command{
		Use:   "serve (--store DIR | --server URL)",
		Short: "Put a load on a server: latencies, refusals, memory, and whether answers are right",
		Long: `Serve offers requests to a server as independent clients would: at a rate, at random
times (Poisson), for models of which few are popular (Zipf), never waiting for an
answer before the next. A latency is counted from when its request was due, so a
server that stalls is charged for all that would have come meanwhile.

Without --rate the capacity is found first, by --workers that ask one request after
the other, and the load is --load times that; several loads run one after the other.
Every answer must name the right variant by its digest; --verify N compares so many
with logits computed anew from the store, by other code than serves.

With --store the server is a process of its own, started on that store. --baseline
then puts the same load on other servers: dense, which keeps dense checkpoints in the
same memory and loads them from the folder --dense when they are asked for; unmixed,
without batches of several models; rebuild, which rebuilds before it answers; lru.`,
		Example: `  eigenserve bench serve --store ./made --weight-cache 2GiB --zipf 1.0 --load 0.8,5,0.8 --duration 5m --verify 200
  eigenserve bench serve --store ./made --weight-cache 2GiB --baseline dense --dense ./checkpoints
  eigenserve bench serve --server http://127.0.0.1:8080 --rate 50 --duration 1m`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			p := newProgress(m.Stderr)
			defer p.end()
			r, err := l.run(cmd.Context(), p)
			p.end()
			if err != nil {
				return err
			}
			if l.json {
				err = printJSON(m.Stdout, r)
			} else {
				err = r.print(m.Stdout)
			}
			if wrong := r.wrong(); err == nil && wrong > 0 {
				err = fmt.Errorf("%d answers were wrong", wrong)
			}
			return err
		},
	}
	flags := cmd.Flags()
	storeFlag(cmd, &l.store)
	flags.StringVar(&l.server, "server", "", "address of a running server")
	flags.Float64Var(&l.rate, "rate", 0, "requests a second (default: --load times the capacity)")
	flags.Float64SliceVar(&l.loads, "load", []float64{0.8}, "loads, in units of the capacity, one after the other")
	flags.DurationVar(&l.duration, "duration", 30*time.Second, "how long each load is put on")
	flags.DurationVar(&l.warmup, "warmup", 3*time.Second, "how long each load is put on before it counts")
	flags.DurationVar(&l.probing, "capacity", 10*time.Second, "how long the capacity is measured")
	flags.IntVar(&l.workers, "workers", 16, "requests under way while the capacity is measured")
	flags.IntVar(&l.connections, "connections", 1024, "connections to the server; what is due when none is free is not sent and counts as failed")
	flags.Float64Var(&l.zipf, "zipf", 1, "exponent of the models' popularity; 0 asks all alike")
	flags.IntVar(&l.models, "models", 0, "how many of the models are asked (default: all)")
	flags.StringVar(&l.images, "images", "", "folder of the images to ask with (default: made-up ones)")
	flags.Uint64Var(&l.seed, "seed", 1, "another seed, other times and other popular models")
	flags.BoolVar(&l.first, "first", false, "ask every model once before, and a pinned one in between, to compare first answers with warm ones")
	flags.IntVar(&l.verify, "verify", 0, "answers that are compared with logits computed anew from the store")
	flags.IntVar(&l.addCount, "adds", 0, "models that are hot-added before, and removed again")
	l.weightCache, l.limit = 1<<30, 0
	flags.Var(&l.weightCache, "weight-cache", "budget of rebuilt weights of the server that is started")
	flags.Var(&l.limit, "memory", "resident memory over which samples are counted")
	flags.StringSliceVar(&l.baselines, "baseline", nil, "servers to compare with: dense, unmixed, rebuild, lru")
	flags.StringArrayVar(&l.serveFlags, "serve-flag", nil, "a further flag of the servers that are started, such as --serve-flag=--max-wait=1s")
	flags.StringVar(&l.dense, "dense", "", "folder of the dense baseline's checkpoints, as bench checkpoints makes it")
	flags.BoolVar(&l.json, "json", false, "print JSON")
	return cmd
}

func (l *loading) check() error {
	switch {
	case (l.store == "") == (l.server == ""):
		if l.store == "" || l.verify+l.addCount == 0 {
			return usagef("--store DIR or --server URL is needed; both only with --verify or --adds")
		}
	case l.server != "" && len(l.baselines)+len(l.serveFlags) > 0:
		return usagef("--baseline and --serve-flag are of servers that are started here: give --store without --server")
	case (l.verify > 0 || l.addCount > 0) && l.store == "":
		return usagef("--verify and --adds need --store: the folder that the server serves")
	}
	if l.rate < 0 || l.zipf < 0 || l.duration <= 0 || l.workers < 1 || l.connections < 1 || l.verify < 0 || l.addCount < 0 || l.models < 0 || l.warmup < 0 || l.probing <= 0 {
		return usagef("rates, times and counts must be positive")
	}
	if len(l.loads) == 0 || slices.Min(l.loads) <= 0 {
		return usagef("--load: give positive numbers")
	}
	for _, b := range l.baselines {
		if _, ok := baselines[b]; !ok {
			return usagef("--baseline %q: use dense, unmixed, rebuild or lru", b)
		}
		if b == "dense" && l.dense == "" {
			return usagef("--baseline dense needs --dense DIR; `eigenserve bench checkpoints` makes it")
		}
	}
	return nil
}

// flags are those of a server that is started for a run; beside is what it may
// hold beyond the weight cache.
func (l *loading) flags(run string, beside int64) []string {
	cache := int64(l.weightCache)
	extra := baselines[run]
	if run == "dense" {
		// What the basis and the coefficients take is the dense server's to use too.
		cache, extra = cache+beside, []string{"--dense", l.dense, "--cold=rebuild"}
	}
	return slices.Concat([]string{"--store", l.store, "--weight-cache", fmt.Sprint(cache)}, l.serveFlags, extra)
}

// title of a run, for people.
func title(run string) string {
	if run == "" {
		return "eigenserve"
	}
	return strings.TrimSpace("baseline " + run)
}
