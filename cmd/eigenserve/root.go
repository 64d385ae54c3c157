package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
	"eigenserve/store"
)

// command builds the tree of commands. started is set once the arguments were
// found in order and the command's own work began.
func (m *Main) command() (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:   "eigenserve",
		Short: "Serve hundreds of fine-tuned models from one shared basis",
		Long: `Eigenserve keeps one basis for a family of fine-tuned models in memory and each
model as a small coefficient vector over it. Weights are rebuilt when a request
needs them.

  eigenserve demo                                   try it: 200 models in one process
  eigenserve fit --store S --family F CHECKPOINT…   learn a basis, store the models
  eigenserve serve --store S                        answer over HTTP`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q%s", args[0], suggestion(cmd, args[0]))
			}
			return cmd.Help()
		},
		PersistentPreRun: func(*cobra.Command, []string) { *started = true },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(m.demo(), m.serve(), m.fit(), m.add(), m.ls(), m.show(), m.rm(), m.alias(),
		m.refit(), m.gc(), m.classify(), m.eval(), m.export(), m.inspect(), m.bench(), m.settingsTable())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = knownCommand
	}
	return root, started
}

// knownCommand refuses to help with what is no command.
func knownCommand(help *cobra.Command, args []string) error {
	if _, unknown, _ := help.Root().Find(args); len(unknown) > 0 {
		return usagef("unknown command %q%s", unknown[0], suggestion(help.Root(), unknown[0]))
	}
	return nil
}

func suggestion(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(word); len(s) > 0 {
		return fmt.Sprintf("; did you mean %q?", s[0])
	}
	return ""
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// storeFlag adds --store.
func storeFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "store", "", "folder of the store")
}

// keepFlag adds --keep-versions.
func keepFlag(cmd *cobra.Command, keep *int) {
	*keep = store.DefaultKeep
	cmd.Flags().Var((*countValue)(keep), "keep-versions", "versions of a model to keep; more stay where an alias names them")
}

// openStore opens the store that --store names.
func openStore(dir string) (*store.Store, error) {
	if dir == "" {
		return nil, usagef("--store DIR is needed: the folder of the store")
	}
	return store.Open(dir)
}

// openEngine opens an engine on the store that --store names. Closing it is the
// caller's.
func openEngine(dir string) (*runtime.Engine, error) {
	s, err := openStore(dir)
	if err != nil {
		return nil, err
	}
	return runtime.Open(s, runtime.Options{})
}
