package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/chaos"
	"eigenserve/cmd/internal/cli"
)

func (m *Main) benchChaos() *cobra.Command {
	var o chaos.Options
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Check every answer of a server under kills, full disks, refits and broken clients",
		Long: `Chaos fits a small family and serves it from a separate process with a weight cache that
is too small. Clients add, replace and delete models, upload checkpoints and move
aliases; other processes refit the family and collect garbage. Files are damaged or cut
off, clients are slow or hang up, writes fail as on a full disk (a limit on file sizes;
Linux only), and in the first half of the time the server is killed (-9) and restarted
every few seconds.

Meanwhile clients ask for answers without a pause. Each answer must name a digest that
the requested name may have had at the time, given the writes that were acknowledged or
in progress, and its logits must be those that a reference computes from that file
alone. After each restart every acknowledged write must be there, and nothing else.

In the second half nothing is killed. After a fifth of it, in which caches, pools and
Go's heap fill up, the median resident memory of the last third of the rest is compared
with that of the first. A race detector keeps memory for every goroutine that ever was:
a build with one is measured by the server's own account (GET /v1/memory).

The exit status is 1 if an answer was wrong, a write was lost, a file was left over, or
memory grew by more than --growth, which is checked in runs of five minutes or more.`,
		Example: "  eigenserve bench chaos --duration 10m",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Duration <= 0 || o.Readers < 1 || o.MaxGrowth <= 1 {
				return cli.Usagef("--duration and --readers must be positive, and --growth more than 1")
			}
			return m.runChaos(cmd.Context(), o, dir, asJSON)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "new `folder` for the files of the run, which is kept (default: a temporary one, removed if all went well)")
	cmd.Flags().DurationVar(&o.Duration, "duration", time.Minute, "how long to run")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of what the clients do")
	cmd.Flags().IntVar(&o.Readers, "readers", 6, "clients that ask for answers at once")
	cmd.Flags().Float64Var(&o.MaxGrowth, "growth", 1.25, "largest growth of memory, from the first to the last third after a warm-up")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// minGrowthRun is the shortest run whose growth of memory is checked.
const minGrowthRun = 5 * time.Minute

func (m *Main) runChaos(ctx context.Context, o chaos.Options, dir string, asJSON bool) error {
	dir, remove, err := chaosFolder(dir)
	if err != nil {
		return err
	}
	p := cli.NewProgress(m.Stderr)
	defer p.Finish()
	r, err := o.Run(ctx, dir, p)
	p.Finish()
	if err != nil {
		return fmt.Errorf("%w; files are in %s", err, dir)
	}
	if asJSON {
		err = cli.PrintJSON(m.Stdout, r)
	} else {
		err = r.Print(m.Stdout)
	}
	switch {
	case err != nil:
		return err
	case r.Wrong > 0:
		return fmt.Errorf("%d wrong answers or lost writes; files are in %s", r.Wrong, dir)
	case o.Duration >= minGrowthRun && r.Memory.Growth > o.MaxGrowth:
		return fmt.Errorf("memory grew %.2f times, more than %.2f; files are in %s", r.Memory.Growth, o.MaxGrowth, dir)
	}
	return remove()
}

// chaosFolder returns the folder for the run's files. remove removes a temporary one.
func chaosFolder(dir string) (_ string, remove func() error, err error) {
	if dir == "" {
		dir, err := os.MkdirTemp("", "eigenserve-chaos-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--dir %s is not empty: name a new folder", dir)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return dir, func() error { return nil }, err
}
