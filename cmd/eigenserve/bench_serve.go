package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/load"
)

func (m *Main) benchServe() *cobra.Command {
	var l load.Options
	var asJSON bool
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
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.Check(); err != nil {
				return err
			}
			p := cli.NewProgress(m.Stderr)
			defer p.Finish()
			r, err := l.Run(cmd.Context(), p)
			p.Finish()
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.PrintJSON(m.Stdout, r)
			} else {
				err = r.Print(m.Stdout)
			}
			if wrong := r.Wrong(); err == nil && wrong > 0 {
				err = fmt.Errorf("%d answers were wrong", wrong)
			}
			return err
		},
	}
	flags := cmd.Flags()
	catalogue.StoreFlag(cmd, &l.Store)
	flags.StringVar(&l.Server, "server", "", "address of a running server")
	flags.Float64Var(&l.Rate, "rate", 0, "requests a second (default: --load times the capacity)")
	flags.Float64SliceVar(&l.Loads, "load", []float64{0.8}, "loads, in units of the capacity, one after the other")
	flags.DurationVar(&l.Duration, "duration", 30*time.Second, "how long each load is put on")
	flags.DurationVar(&l.Warmup, "warmup", 3*time.Second, "how long each load is put on before it counts")
	flags.DurationVar(&l.CapacityTime, "capacity", 10*time.Second, "how long the capacity is measured")
	flags.IntVar(&l.Workers, "workers", 16, "requests under way while the capacity is measured")
	flags.IntVar(&l.Connections, "connections", 1024, "connections to the server; what is due when none is free is not sent and counts as failed")
	flags.Float64Var(&l.Zipf, "zipf", 1, "exponent of the models' popularity; 0 asks all alike")
	flags.IntVar(&l.Models, "models", 0, "how many of the models are asked (default: all)")
	flags.StringVar(&l.Images, "images", "", "folder of the images to ask with (default: made-up ones)")
	flags.Uint64Var(&l.Seed, "seed", 1, "another seed, other times and other popular models")
	flags.BoolVar(&l.First, "first", false, "ask every model once before, and a pinned one in between, to compare first answers with warm ones")
	flags.IntVar(&l.Verify, "verify", 0, "answers that are compared with logits computed anew from the store")
	flags.IntVar(&l.Adds, "adds", 0, "models that are hot-added before, and removed again")
	l.WeightCache, l.MemoryLimit = 1<<30, 0
	flags.Var(&l.WeightCache, "weight-cache", "budget of rebuilt weights of the server that is started")
	flags.Var(&l.MemoryLimit, "memory", "resident memory over which samples are counted")
	flags.StringSliceVar(&l.Baselines, "baseline", nil, "servers to compare with: dense, unmixed, rebuild, lru")
	flags.StringArrayVar(&l.ServeFlags, "serve-flag", nil, "a further flag of the servers that are started, such as --serve-flag=--max-wait=1s")
	flags.StringVar(&l.DenseDir, "dense", "", "folder of the dense baseline's checkpoints, as bench checkpoints makes it")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
