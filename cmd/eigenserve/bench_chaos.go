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
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Trouble a server in every way while every answer is checked",
		Long: `Chaos fits a small family, serves it by a process of its own with a cache that is
too small, and troubles it: models are added, replaced, deleted and uploaded as
checkpoints, aliases moved to models, versions and canaries, the family refitted and
garbage collected by other processes; files are broken or cut off, clients are slow
or hang up, writes fail as on a full disk (a limit on the length of files, by
prlimit; Linux only), and for the first half of the time the server is killed (-9)
and started again every few seconds.

Meanwhile clients ask without a pause. Each answer must name a digest that its name
may have stood for while it was asked, by what was acknowledged and what was under
way, and its logits must be those that a reference works out from that file alone.
After each start every acknowledged write must be there, and nothing else. For the
second half nothing is killed: once a fifth of it is over, for caches, pools and Go's
heap to fill, the resident memory of the last third of the rest is compared with that
of the first, by their medians. A race detector keeps memory for each goroutine that
ever was: a build with one is held to the server's own account (GET /v1/memory).

It exits with 1 if an answer was wrong, a write lost, a file left over, or memory
grew by more than --growth (looked at in runs of five minutes and more).`,
		Example: "  eigenserve bench chaos --duration 10m",
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Duration <= 0 || o.Readers < 1 || o.MaxGrowth <= 1 {
				return cli.Usagef("--duration and --readers must be positive, --growth more than 1")
			}
			return m.runChaos(cmd.Context(), o, asJSON)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "new folder for the run's files, which are left there (default: a temporary one, removed if all went well)")
	cmd.Flags().DurationVar(&o.Duration, "duration", time.Minute, "how long")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "another seed, other troubles")
	cmd.Flags().IntVar(&o.Readers, "readers", 6, "clients that ask at once")
	cmd.Flags().Float64Var(&o.MaxGrowth, "growth", 1.25, "how many times the memory of the first third the last may take, after a warm-up")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) runChaos(ctx context.Context, o chaos.Options, asJSON bool) error {
	dir, remove, err := chaosFolder(o.Dir)
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
	case o.Duration >= 5*time.Minute && r.Memory.Growth > o.MaxGrowth:
		return fmt.Errorf("memory grew %.2f times, at most %.2f is allowed; files are in %s", r.Memory.Growth, o.MaxGrowth, dir)
	}
	return remove()
}

func chaosFolder(dir string) (string, func() error, error) {
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
