// Command eigenserve serves families of fine-tuned models from one shared basis: it
// learns the basis, keeps each model as a small vector of coefficients, rebuilds
// weights when requests need them, and answers over HTTP. See README.md for its
// commands and settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills the program
	m := &Main{Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(m.Run(ctx, os.Args[1:]))
}

// Main is the program. Tests run it in-process with their own streams.
type Main struct {
	Stdout, Stderr io.Writer
	// Listening, if set, is called with the address that serve or demo listens on.
	Listening func(addr string)

	mu     sync.Mutex // guards cancel and ended
	cancel context.CancelFunc
	ended  chan struct{}
}

// Run runs one command until it ends or ctx is done, and returns the exit status: 0
// for success, 1 for failure, 2 for wrong usage.
func (m *Main) Run(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	m.mu.Lock()
	m.cancel, m.ended = cancel, ended
	m.mu.Unlock()

	root, parsed := m.command()
	root.SetArgs(args)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			return unknownCommand(root, args[0]) // the flag is probably one of the command's
		}
		return err
	})
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(m.Stderr, "eigenserve: %s\n", cli.OneLine(err))
	if !*parsed || errors.Is(err, cli.ErrUsage) {
		fmt.Fprintf(m.Stderr, "Try '%s --help'.\n", cmd.CommandPath())
		return 2
	}
	return 1
}

// Close interrupts the command that Run is running, as a signal does, and waits until
// it has ended.
func (m *Main) Close() error {
	m.mu.Lock()
	cancel, ended := m.cancel, m.ended
	m.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
	return nil
}

// helpWidth is the width that the help of flags is wrapped to.
const helpWidth = 100

// command returns the root command. parsed is set when the arguments have been parsed
// and the command starts its work.
func (m *Main) command() (root *cobra.Command, parsed *bool) {
	parsed = new(bool)
	var showVersion bool
	root = &cobra.Command{
		Use:   "eigenserve",
		Short: "Serve hundreds of fine-tuned models from one shared basis",
		Long: `Eigenserve serves families of fine-tuned models. It keeps one basis for a family in
memory and each model as a small vector of coefficients, and rebuilds weights when
requests need them.

  eigenserve demo                                   try it: 200 models in one process
  eigenserve fit --store S --family F CHECKPOINT…   learn a basis and store the models
  eigenserve serve --store S                        serve them over HTTP`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if showVersion {
				return m.printVersion()
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			*parsed = true
			return cli.ReportOldNames(cmd.Flags(), m.Stderr)
		},
	}
	root.Flags().BoolVarP(&showVersion, "version", "v", false, "print the version")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)))
	root.CompletionOptions.HiddenDefaultCmd = true
	addGroup(root, "Serve models:", m.demo(), m.serve(), m.classify())
	addGroup(root, "Make families and variants:", m.fit(), m.add(), m.refit())
	addGroup(root, "Manage a store or a server:", m.ls(), m.show(), m.alias(), m.rm(), m.gc(), m.export())
	addGroup(root, "Inspect and measure:", m.inspect(), m.eval(), m.bench())
	root.AddCommand(m.version(), m.settings())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = checkHelpArgs
	}
	return root, parsed
}

// addGroup adds commands to root under a title of its help.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
	}
	root.AddCommand(commands...)
}

// checkHelpArgs refuses help on an unknown command.
func checkHelpArgs(help *cobra.Command, args []string) error {
	if _, unknown, _ := help.Root().Find(args); len(unknown) > 0 {
		return unknownCommand(help.Root(), unknown[0])
	}
	return nil
}

// unknownCommand returns the error for a word that is not a command of root.
func unknownCommand(root *cobra.Command, word string) error {
	suggestion := ""
	root.SuggestionsMinimumDistance = 2
	if s := root.SuggestionsFor(word); len(s) > 0 {
		suggestion = fmt.Sprintf("; did you mean %q?", s[0])
	}
	return cli.Usagef("unknown command %q%s", word, suggestion)
}
