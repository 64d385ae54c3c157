package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

func (m *Main) alias() *cobra.Command {
	var c catalogue.Flags
	var remove, asJSON bool
	cmd := &cobra.Command{
		Use:   "alias [NAME [MODEL[:VERSION][=WEIGHT]…]] (--store DIR | --server URL)",
		Short: "List aliases, move one, or remove it",
		Long: `An alias is a name that stands for one model or, by weight, for several. It moves
at once for all requests: to a new version, to a share of the requests for it, and
back. Without a version it follows the model's current one.`,
		Example: `  eigenserve alias --store ./store                             list
  eigenserve alias birds warblers:3 --store ./store            move to version 3
  eigenserve alias birds warblers:3=95 warblers:4=5 --store ./store   a canary
  eigenserve alias birds --delete --store ./store`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove != (len(args) == 1) {
				return cli.Usagef("to move an alias give its name and what it shall stand for, to remove one its name and --delete")
			}
			calls, done, err := c.Open()
			if err != nil {
				return err
			}
			defer done()
			switch {
			case len(args) == 0:
				return m.listAliases(cmd.Context(), calls, asJSON)
			case remove:
				if err := calls.RemoveAlias(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(m.Stdout, "removed %s\n", args[0])
				return nil
			}
			targets, err := parseTargets(args[1:])
			if err != nil {
				return err
			}
			a, err := calls.PutAlias(cmd.Context(), args[0], targets)
			if err != nil {
				return err
			}
			fmt.Fprintf(m.Stdout, "%s: %s\n", a.Name, standsFor(a))
			return nil
		},
	}
	c.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.Flags().BoolVar(&remove, "delete", false, "remove the alias; its models stay")
	return cmd
}

func (m *Main) listAliases(ctx context.Context, calls catalogue.Catalogue, asJSON bool) error {
	list, err := calls.Aliases(ctx)
	if err != nil {
		return err
	}
	catalogue.PrintWarnings(m.Stderr, calls)
	if asJSON {
		return cli.PrintJSON(m.Stdout, list)
	}
	rows := [][]string{{"ALIAS", "STANDS FOR"}}
	for _, a := range list {
		rows = append(rows, []string{a.Name, standsFor(a)})
	}
	return cli.Table(m.Stdout, rows)
}

// parseTargets reads MODEL[:VERSION][=WEIGHT]; without weights all weigh the same.
func parseTargets(args []string) ([]runtime.Target, error) {
	var out []runtime.Target
	for _, arg := range args {
		rest, weight, weighted := strings.Cut(arg, "=")
		model, version, numbered := strings.Cut(rest, ":")
		t := runtime.Target{Model: model, Weight: 1}
		var err error
		if weighted {
			t.Weight, err = strconv.Atoi(weight)
		}
		if numbered && err == nil {
			t.Version, err = strconv.Atoi(version)
		}
		if err != nil || model == "" || numbered && t.Version < 1 {
			return nil, cli.Usagef("%q: give MODEL, MODEL:VERSION or MODEL:VERSION=WEIGHT, in whole numbers", arg)
		}
		out = append(out, t)
	}
	return out, nil
}

// standsFor writes what an alias stands for as parseTargets reads it.
func standsFor(a runtime.Alias) string {
	out := make([]string, len(a.Targets))
	for i, t := range a.Targets {
		out[i] = t.Model
		if t.Version > 0 {
			out[i] += fmt.Sprintf(":%d", t.Version)
		}
		if len(a.Targets) > 1 {
			out[i] += fmt.Sprintf("=%d", t.Weight)
		}
	}
	return strings.Join(out, " ")
}
