package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

// engineFlags choose how models are computed and cached.
type engineFlags struct {
	compute, cold string
	weightCache   sizeValue
	patience      time.Duration
	gate          gateFlags
	schedulerFlags
}

// add declares the flags; cache is the default of --weight-cache.
func (f *engineFlags) add(cmd *cobra.Command, cache sizeValue) {
	flags := cmd.Flags()
	f.weightCache = cache
	flags.Var(&f.weightCache, "weight-cache", "budget of rebuilt weights")
	flags.Var(choice(&f.compute, "auto", "auto", "f32", "bf16"), "compute", "arithmetic of a forward pass; auto is bf16 where the processor multiplies it")
	flags.Var(choice(&f.cold, "factored", "factored", "rebuild"), "cold", "a request without rebuilt weights: factored answers straight from basis and coefficients, rebuild waits for them")
	flags.Var(limit(&f.patience, 10*time.Second), "patience", "longest wait for a slab of the weight cache; then 503 with Retry-After")
	f.gate.add(cmd) // what uploaded checkpoints have to pass
	f.schedulerFlags.add(cmd)
}

func (f *engineFlags) options() runtime.Options {
	o := runtime.Options{
		Compute: runtime.Compute(f.compute), Factored: f.cold == "factored", WeightCache: int64(f.weightCache),
		Patience: f.patience, Gate: f.gate.value(),
	}
	f.schedulerFlags.set(&o)
	return o
}

func (m *Main) serve() *cobra.Command {
	var f serving
	cmd := &cobra.Command{
		Use:   "serve --store DIR",
		Short: "Serve a store over HTTP",
		Long: `Serve answers HTTP until it is interrupted; requests under way then finish.
The page is at /, the models under /v1/models, the memory account at /v1/memory.

Every flag is also a key of the YAML file that --config names (weight-cache: 4GiB)
and a variable of the environment (EIGENSERVE_WEIGHT_CACHE=4GiB). A flag wins over
the environment, the environment over the file.`,
		Example: `  eigenserve serve --store ./store --weight-cache 4GiB
  eigenserve serve --config eigenserve.yaml --check-config`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, unknown, err := collect(cmd, os.Environ())
			if err != nil {
				return err
			}
			return m.runServe(cmd, f, set, unknown)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "YAML `file` of settings")
	flags.BoolVar(&f.checkConfig, "check-config", false, "print the settings, say what is wrong with them, and end")
	storeFlag(cmd, &f.dir)
	keepFlag(cmd, &f.keep)
	f.engine.add(cmd, 1<<30)
	f.listen.add(cmd)
	flags.BoolVar(&f.listen.accessLog, "access-log", true, "log each request")
	flags.StringVar(&f.dense, "dense", "", "`folder` of dense checkpoints to load in place of rebuilding: a baseline for bench serve")
	flags.MarkHidden("dense")
	return cmd
}

// serving is what serve was asked for.
type serving struct {
	dir, config string
	keep        int
	checkConfig bool
	engine      engineFlags
	listen      listenFlags
	dense       string
}

func (m *Main) runServe(cmd *cobra.Command, f serving, set settings, unknown []string) error {
	if err := f.listen.check(); err != nil {
		return err
	}
	if _, err := f.engine.gate.gate(); err != nil {
		return err
	}
	log := f.listen.logger(m)
	if len(unknown) > 0 {
		log.Warn("variables of the environment that are no settings", "names", strings.Join(unknown, " "))
	}
	s, err := openStore(f.dir)
	if err != nil {
		return err
	}
	s.KeepVersions(f.keep)
	if f.checkConfig {
		if _, err := f.listen.options(log); err != nil {
			return err
		}
		return set.print(m)
	}
	o := f.engine.options()
	if f.dense != "" {
		if o.Dense, err = denseBaseline(f.dense); err != nil {
			return err
		}
	}
	return m.listen(cmd.Context(), s, f.listen, o, func(url string, _ *runtime.Engine) {
		fmt.Fprintf(m.Stdout, "Serving %s of %s at %s\n", number(len(s.Variants()), "model"), english.Plural(len(s.Families()), "family", ""), url)
	})
}
