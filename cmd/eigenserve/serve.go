package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/store"
)

// serveFlags are those of serve and of demo.
type serveFlags struct {
	addr, weightCache, compute, cold string
	parallel, queue                  int
	patience, grace                  time.Duration
	step                             float64
	samples                          fs.FS
}

// add declares the flags; cache is the default of --weight-cache.
func (f *serveFlags) add(cmd *cobra.Command, cache string) {
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	flags.StringVar(&f.weightCache, "weight-cache", cache, "budget of rebuilt weights")
	flags.StringVar(&f.compute, "compute", "auto", "arithmetic of a forward pass: f32, bf16, or auto: bf16 where the processor multiplies it")
	flags.StringVar(&f.cold, "cold", "factored", "a request without rebuilt weights: factored answers straight from basis and coefficients, rebuild waits for them")
	flags.IntVar(&f.parallel, "parallel", 0, "requests that compute at once (default: one a processor)")
	flags.IntVar(&f.queue, "queue", 1024, "requests that may wait; more get 503 with Retry-After")
	flags.DurationVar(&f.patience, "patience", 10*time.Second, "longest wait for a slab of the weight cache")
	flags.DurationVar(&f.grace, "grace", 30*time.Second, "how long requests under way may take to finish at the end")
	stepFlag(cmd, &f.step, "quantisation step of uploaded checkpoints")
}

func (f *serveFlags) options() (runtime.Options, error) {
	cache, err := humanize.ParseBytes(f.weightCache)
	if err != nil || cache == 0 || cache > 1<<50 {
		return runtime.Options{}, usagef("--weight-cache %q: give a size such as 4GiB", f.weightCache)
	}
	compute := runtime.Compute(f.compute)
	if !slices.Contains([]runtime.Compute{runtime.ComputeAuto, runtime.ComputeF32, runtime.ComputeBF16}, compute) {
		return runtime.Options{}, usagef("--compute %q: use auto, f32 or bf16", f.compute)
	}
	if f.cold != "factored" && f.cold != "rebuild" {
		return runtime.Options{}, usagef("--cold %q: use factored or rebuild", f.cold)
	}
	return runtime.Options{Compute: compute, Factored: f.cold == "factored", WeightCache: int64(cache), Parallel: f.parallel, Queue: f.queue, Patience: f.patience, Step: f.step}, nil
}

func (m *Main) serve() *cobra.Command {
	var f serveFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "serve --store DIR",
		Short: "Serve a store over HTTP",
		Long: `Serve answers HTTP until it is interrupted; requests under way then finish.
The page is at /, the models under /v1/models, the memory account at /v1/memory.`,
		Example: "  eigenserve serve --store ./store --weight-cache 4GiB",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			s, err := openStore(dir)
			if err != nil {
				return err
			}
			return m.listen(cmd.Context(), s, f, o, func(addr string, eng *runtime.Engine) {
				fmt.Fprintf(m.Stdout, "Serving %d models of %d families at http://%s\n", len(s.Variants()), len(s.Families()), addr)
			})
		},
	}
	storeFlag(cmd, &dir)
	f.add(cmd, "1GiB")
	return cmd
}

// listen serves a store until ctx is done. ready is called once the address
// answers.
func (m *Main) listen(ctx context.Context, s *store.Store, f serveFlags, o runtime.Options, ready func(addr string, eng *runtime.Engine)) error {
	if os.Getenv("GOGC") == "" {
		// What is large lies outside Go's heap. Collecting the rest twice as often
		// as usual costs little and keeps garbage from outweighing the models.
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	log := slog.New(slog.NewTextHandler(m.Stderr, nil))
	eng, err := runtime.Open(s, o)
	if err != nil {
		return err
	}
	defer eng.Close()
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another with --addr", err)
	}
	srv, err := server.New(eng, server.Options{Log: log, Samples: f.samples})
	if err != nil {
		listener.Close()
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Listen(listener) }()
	if err := eng.Preload(ctx); err != nil {
		log.Error("some models can't be served", "error", err)
	}
	ready(listener.Addr().String(), eng)
	if m.Listening != nil {
		m.Listening(listener.Addr().String())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("finishing the requests under way", "grace", f.grace)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.grace)
	defer cancel()
	return errors.Join(srv.Shutdown(end), <-served)
}
