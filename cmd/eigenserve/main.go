// Command eigenserve serves families of fine-tuned models from one shared basis:
// it learns the basis, keeps each model as a small coefficient vector, rebuilds
// weights when a request needs them, and answers over HTTP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/serving"
	"eigenserve/cmd/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	m := &Main{Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(m.Run(ctx, os.Args[1:]))
}

// Main is the program. Tests start it in-process, with their own streams.
type Main struct {
	Stdout, Stderr io.Writer
	// Listening, if set, is told the address that serve or demo listens on.
	Listening func(addr string)
}

func (m *Main) server() serving.Program {
	return serving.Program{Stdout: m.Stdout, Stderr: m.Stderr, Listening: m.Listening}
}

// Run runs one command to its end, or until ctx is done, and returns the exit
// status: 0 for success, 1 for a failure, 2 for wrong usage.
func (m *Main) Run(ctx context.Context, args []string) int {
	root, started := m.command()
	root.SetArgs(args)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(m.Stderr, "eigenserve: %s\n", cli.OneLine(err))
	if !*started || errors.Is(err, cli.ErrUsage) {
		fmt.Fprintf(m.Stderr, "Try '%s --help'.\n", cmd.CommandPath())
		return 2
	}
	return 1
}

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
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("unknown command %q%s", args[0], suggestion(cmd, args[0]))
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
		return cli.Usagef("unknown command %q%s", unknown[0], suggestion(help.Root(), unknown[0]))
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
