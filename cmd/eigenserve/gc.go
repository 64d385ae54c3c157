package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/store"
)

func (m *Main) gc() *cobra.Command {
	var dir string
	var o store.CollectOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gc --store DIR [--dry-run]",
		Short: "Remove from a store what nothing refers to",
		Long: `Gc removes the files of bases and variants that no model, version or family leads
to, what interrupted writes have left, and unfinished fits that nobody continues. A
basis is in use as long as one version of one model stands on it; --versions 1 lets
the older versions go first, except those that an alias names.

It may run while a server has the store open and while others add to it. Files
younger than --grace are kept: a program may be about to refer to them.`,
		Example: "  eigenserve gc --store ./store --dry-run",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			if o.Grace < 0 || o.Work < 0 || o.Versions < 0 {
				return cli.Usagef("--grace, --unfinished and --versions must not be negative")
			}
			s, err := catalogue.OpenStore(dir)
			if err != nil {
				return err
			}
			found, err := s.Collect(o)
			if err != nil && len(found) == 0 {
				return err
			}
			return errors.Join(m.showGarbage(found, o.DryRun, asJSON), err)
		},
	}
	catalogue.StoreFlag(cmd, &dir)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be removed")
	cmd.Flags().IntVar(&o.Versions, "versions", 0, "keep at most so many versions of each model (default: all there are)")
	cmd.Flags().DurationVar(&o.Grace, "grace", 10*time.Minute, "how old a file has to be")
	cmd.Flags().DurationVar(&o.Work, "unfinished", 24*time.Hour, "for how long an unfinished fit must have rested")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) showGarbage(found []store.Garbage, dry, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []store.Garbage{}
		}
		return cli.PrintJSON(m.Stdout, found)
	}
	rows := [][]string{{"PATH", "WHAT", "BYTES", "KEPT"}}
	var bytes, keptBytes int64
	removed, kept := 0, 0
	for _, g := range found {
		rows = append(rows, []string{g.Path, g.What, cli.Size(g.Bytes), g.Kept})
		if g.Kept == "" {
			removed, bytes = removed+1, bytes+g.Bytes
		} else {
			kept, keptBytes = kept+1, keptBytes+g.Bytes
		}
	}
	if len(found) > 0 {
		if err := cli.Table(m.Stdout, rows); err != nil {
			return err
		}
		fmt.Fprintln(m.Stdout)
	}
	verb := "Removed"
	if dry {
		verb = "Would remove"
	}
	fmt.Fprintf(m.Stdout, "%s %d of %s", verb, removed, cli.Size(bytes))
	if kept > 0 {
		fmt.Fprintf(m.Stdout, ", kept %d of %s", kept, cli.Size(keptBytes))
	}
	_, err := fmt.Fprintln(m.Stdout, ".")
	return err
}
