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

type serveFlags struct {
	store       string
	keep        int
	checkConfig bool
	dense       string
	engine      serving.EngineFlags
	listen      serving.ListenFlags
}

func (m *Main) serve() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --store DIR",
		Short: "Serve a store over HTTP",
		Long: `Serve answers HTTP requests until it is interrupted, and then finishes those in
progress. The page is at /, the models are under /v1/models, and the account of the
server's memory is at /v1/memory.

Every flag is also an environment variable (EIGENSERVE_WEIGHT_CACHE=4GiB) and a key of
the YAML file that --config names (weight-cache: 4GiB). A flag takes precedence over
the environment, and the environment over the file.`,
		Example: `  eigenserve serve --store ./store --weight-cache 4GiB
  eigenserve serve --config eigenserve.yaml --check-config`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !f.checkConfig {
				serving.IgnoreClosedLog()
			}
			settings, unknown, err := config.Collect(cmd.Flags(), os.Environ(), m.Stderr)
			if err != nil {
				return err
			}
			return m.runServe(cmd, f, settings, unknown)
		},
	}
	flags := cmd.Flags()
	flags.String("config", "", "YAML `file` of settings")
	flags.BoolVar(&f.checkConfig, "check-config", false, "print the settings and where they come from, or what is wrong with them, and exit")
	catalogue.StoreFlag(cmd, &f.store)
	catalogue.KeepVersionsFlag(cmd, &f.keep)
	f.engine.Add(cmd, 1<<30)
	f.listen.Add(cmd)
	flags.BoolVar(&f.listen.AccessLog, "access-log", true, "log every request")
	flags.StringVar(&f.dense, "dense", "", "`folder` of dense checkpoints to load instead of rebuilding weights: a baseline of bench serve")
	flags.MarkHidden("dense")
	return cmd
}

func (m *Main) runServe(cmd *cobra.Command, f serveFlags, settings *config.Settings, unknown []string) error {
	if err := f.listen.Check(); err != nil {
		return err
	}
	if _, err := f.engine.Gate.Gate(); err != nil {
		return err
	}
	log := f.listen.Logger(m.Stderr)
	if len(unknown) > 0 {
		log.Warn("these environment variables are not settings", "names", strings.Join(unknown, " "))
	}
	s, err := catalogue.OpenStore(f.store)
	if err != nil {
		return err
	}
	s.KeepVersions(f.keep)
	if f.checkConfig {
		if _, err := f.listen.ServerOptions(log); err != nil {
			return err
		}
		return settings.Print(m.Stdout)
	}
	o := f.engine.Options()
	if f.dense != "" {
		if o.Dense, err = serving.DenseBaseline(f.dense); err != nil {
			return err
		}
	}
	return serving.Program{
		Store: s, Listen: f.listen, Engine: o, Stdout: m.Stdout, Stderr: m.Stderr, Listening: m.Listening,
		Ready: func(url string, _ *runtime.Engine) {
			fmt.Fprintf(m.Stdout, "Serving %s of %s at %s\n", cli.Plural(len(s.Variants()), "model"), english.Plural(len(s.Families()), "family", ""), url)
		},
	}.Run(cmd.Context())
}
