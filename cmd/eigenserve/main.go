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
	"regexp"
	"strings"
	"syscall"
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

// errUsage marks an error in how the program was called.
var errUsage = errors.New("usage")

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
	fmt.Fprintf(m.Stderr, "eigenserve: %s\n", oneLine(err))
	if !*started || errors.Is(err, errUsage) {
		fmt.Fprintf(m.Stderr, "Try '%s --help'.\n", cmd.CommandPath())
		return 2
	}
	return 1
}

// parsing is what Go's parsers of numbers say of themselves.
var parsing = regexp.MustCompile(`strconv\.Parse\w+: parsing "[^"]*": `)

// oneLine keeps an error to one line, for people and for scripts.
func oneLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := strings.TrimPrefix(err.Error(), errUsage.Error()+": ")
	text = parsing.ReplaceAllString(text, "")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}

// usagef makes an error in how the program was called.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errUsage, fmt.Errorf(format, args...))
}
