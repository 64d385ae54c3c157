package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/config"
	"eigenserve/cmd/internal/serving"
	"eigenserve/runtime"
)

func (m *Main) serve() *cobra.Command {
	var f serveOptions
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
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, unknown, err := config.Collect(cmd, os.Environ())
			if err != nil {
				return err
			}
			return m.runServe(cmd, f, set, unknown)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "YAML `file` of settings")
	flags.BoolVar(&f.checkConfig, "check-config", false, "print the settings, say what is wrong with them, and end")
	catalogue.StoreFlag(cmd, &f.dir)
	catalogue.KeepVersionsFlag(cmd, &f.keep)
	f.engine.Add(cmd, 1<<30)
	f.listen.Add(cmd)
	flags.BoolVar(&f.listen.AccessLog, "access-log", true, "log each request")
	flags.StringVar(&f.dense, "dense", "", "`folder` of dense checkpoints to load in place of rebuilding: a baseline for bench serve")
	flags.MarkHidden("dense")
	return cmd
}

// serveOptions is what serve was asked for.
type serveOptions struct {
	dir, config string
	keep        int
	checkConfig bool
	engine      serving.EngineFlags
	listen      serving.ListenFlags
	dense       string
}

func (m *Main) runServe(cmd *cobra.Command, f serveOptions, set config.Settings, unknown []string) error {
	if err := f.listen.Check(); err != nil {
		return err
	}
	if _, err := f.engine.Gate.Gate(); err != nil {
		return err
	}
	log := f.listen.Logger(m.Stderr)
	if len(unknown) > 0 {
		log.Warn("variables of the environment that are no settings", "names", strings.Join(unknown, " "))
	}
	s, err := catalogue.OpenStore(f.dir)
	if err != nil {
		return err
	}
	s.KeepVersions(f.keep)
	if f.checkConfig {
		if _, err := f.listen.ServerOptions(log); err != nil {
			return err
		}
		return set.Print(m.Stdout)
	}
	o := f.engine.Options()
	if f.dense != "" {
		if o.Dense, err = serving.DenseBaseline(f.dense); err != nil {
			return err
		}
	}
	return m.server().Serve(cmd.Context(), s, f.listen, o, func(url string, _ *runtime.Engine) {
		fmt.Fprintf(m.Stdout, "Serving %s of %s at %s\n", cli.Plural(len(s.Variants()), "model"), english.Plural(len(s.Families()), "family", ""), url)
	})
}
