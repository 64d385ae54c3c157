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
		Short: "Remove unreferenced files from a store",
		Long: `Gc removes the files of bases and variants that no model, version or family refers
to, files that interrupted writes have left, and unfinished fits that nobody continues.
A basis is in use as long as any version of any model depends on it; --versions 1 first
drops older versions, except those that an alias names.

It may run while a server has the store open and while other programs add to it. Files
younger than --grace are kept, since a program may be about to refer to them.`,
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
			if asJSON {
				return errors.Join(cli.PrintJSON(m.Stdout, append([]store.Garbage{}, found...)), err)
			}
			return errors.Join(m.printGarbage(found, o.DryRun), err)
		},
	}
	catalogue.StoreFlag(cmd, &dir)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "print what would be removed, and remove nothing")
	cmd.Flags().IntVar(&o.Versions, "versions", 0, "versions of each model to keep (default: all)")
	cmd.Flags().DurationVar(&o.Grace, "grace", 10*time.Minute, "age under which files are kept")
	cmd.Flags().DurationVar(&o.Work, "unfinished", 24*time.Hour, "time without progress after which an unfinished fit is removed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) printGarbage(found []store.Garbage, dryRun bool) error {
	rows := [][]string{{"PATH", "WHAT", "BYTES", "KEPT BECAUSE"}}
	var removedBytes, keptBytes int64
	removed, kept := 0, 0
	for _, g := range found {
		rows = append(rows, []string{g.Path, g.What, cli.Size(g.Bytes), g.Kept})
		if g.Kept == "" {
			removed, removedBytes = removed+1, removedBytes+g.Bytes
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
	text := "Removed"
	if dryRun {
		text = "Would remove"
	}
	text += fmt.Sprintf(" %s (%s)", cli.Plural(removed, "file"), cli.Size(removedBytes))
	if kept > 0 {
		text += fmt.Sprintf(", kept %d (%s)", kept, cli.Size(keptBytes))
	}
	_, err := fmt.Fprintln(m.Stdout, text+".")
	return err
}
