package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/load"
)

func (m *Main) benchServe() *cobra.Command {
	var o load.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "serve (--store DIR | --server URL)",
		Short: "Put a load on a server and measure latency, refusals, memory and correctness",
		Long: `Serve sends requests to a server as independent clients would: at a rate, at random
times (Poisson), for models of which few are popular (Zipf), without waiting for
answers. A latency is measured from when its request was due, so that a server that
stalls is charged for all requests that were due meanwhile.

Without --rate the capacity is measured first, by --workers that send one request after
the other, and the loads are --load times that, one after the other. Every answer must
name the right variant by its digest; --verify N compares N answers with logits that a
reference computes from the store.

With --store the server is a process that is started on that store. --baseline then puts
the same load on other servers: dense loads dense checkpoints from the folder --dense
into the same memory when they are requested; unmixed does not mix models in a batch;
rebuild rebuilds weights before it answers; lru evicts the least recently used weights.`,
		Example: `  eigenserve bench serve --store ./synthetic --weight-cache 2GiB --load 0.8,5,0.8 --duration 5m --verify 200
  eigenserve bench serve --store ./synthetic --weight-cache 2GiB --baseline dense --dense ./checkpoints
  eigenserve bench serve --server http://127.0.0.1:8080 --rate 50 --duration 1m`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return m.runBenchServe(cmd.Context(), o, asJSON)
		},
	}
	flags := cmd.Flags()
	catalogue.StoreFlag(cmd, &o.Store)
	flags.StringVar(&o.Server, "server", "", "`URL` of a running server")
	flags.Float64Var(&o.Rate, "rate", 0, "requests per second (default: --load times the capacity)")
	flags.Float64SliceVar(&o.Loads, "load", []float64{0.8}, "`loads` in units of the capacity, separated by commas")
	flags.DurationVar(&o.Duration, "duration", 30*time.Second, "how long to put on each load")
	flags.DurationVar(&o.Warmup, "warmup", 3*time.Second, "how long to put on each load before it is counted")
	flags.DurationVar(&o.CapacityTime, "capacity", 10*time.Second, "how long to measure the capacity")
	flags.IntVar(&o.Workers, "workers", 16, "requests in progress while the capacity is measured")
	flags.IntVar(&o.Connections, "connections", 1024, "connections to the server; a request that is due when none is free fails")
	flags.Float64Var(&o.Zipf, "zipf", 1, "exponent of the models' popularity; 0 is uniform")
	flags.IntVar(&o.Models, "models", 0, "models to request (default: all)")
	flags.StringVar(&o.Images, "images", "", "`folder` of images to send (default: synthetic ones)")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of the times and of the models' popularity")
	flags.BoolVar(&o.First, "first", false, "first request every model once, and in between a pinned one, to compare first and warm answers")
	flags.IntVar(&o.Verify, "verify", 0, "answers to compare with logits that a reference computes from the store")
	flags.IntVar(&o.Adds, "adds", 0, "models to hot-add first, and to remove again")
	o.WeightCache = 1 << 30
	flags.Var(&o.WeightCache, "weight-cache", "memory for rebuilt weights of the server that is started")
	flags.Var(&o.MemoryLimit, "memory", "resident memory above which samples are counted")
	flags.StringSliceVar(&o.Baselines, "baseline", nil, "servers to compare with: dense, unmixed, rebuild, lru")
	flags.StringArrayVar(&o.ServeFlags, "serve-flag", nil, "another `flag` for the servers that are started, such as --serve-flag=--max-wait=1s")
	flags.StringVar(&o.DenseDir, "dense", "", "`folder` of checkpoints for the dense baseline, as bench checkpoints writes them")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) runBenchServe(ctx context.Context, o load.Options, asJSON bool) error {
	p := cli.NewProgress(m.Stderr)
	r, err := o.Run(ctx, p)
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
}
