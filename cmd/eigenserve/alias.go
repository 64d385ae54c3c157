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
	var f catalogue.Flags
	var remove, asJSON bool
	cmd := &cobra.Command{
		Use:   "alias [NAME [MODEL[:VERSION][=WEIGHT]…]] (--store DIR | --server URL)",
		Short: "List aliases, or set or remove one",
		Long: `An alias is a name for a model, or for several models that share its requests by
weight. Setting an alias takes effect for all requests at once: to roll out a new
version, to send it a share of the requests first, and to roll it back. Without a
version the alias follows the model's current one.`,
		Example: `  eigenserve alias --store ./store                                   list
  eigenserve alias birds warblers:3 --store ./store                  set to version 3
  eigenserve alias birds warblers:3=95 warblers:4=5 --store ./store  set to a canary
  eigenserve alias birds --delete --store ./store                    remove`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove != (len(args) == 1) {
				return cli.Usagef("to set an alias give its name and its models, to remove one give its name and --delete")
			}
			var targets []runtime.Target
			if len(args) > 1 {
				var err error
				if targets, err = parseTargets(args[1:]); err != nil {
					return err
				}
			}
			c, done, err := f.Open()
			if err != nil {
				return err
			}
			defer done()
			switch len(args) {
			case 0:
				return m.listAliases(cmd.Context(), c, asJSON)
			case 1:
				return m.removeAlias(cmd.Context(), c, args[0])
			}
			return m.setAlias(cmd.Context(), c, args[0], targets)
		},
	}
	f.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	cmd.Flags().BoolVar(&remove, "delete", false, "remove the alias; its models stay")
	return cmd
}

func (m *Main) listAliases(ctx context.Context, c catalogue.Catalogue, asJSON bool) error {
	list, err := c.Aliases(ctx)
	if err != nil {
		return err
	}
	catalogue.PrintWarnings(m.Stderr, c)
	if asJSON {
		return cli.PrintJSON(m.Stdout, list)
	}
	rows := [][]string{{"ALIAS", "MODELS"}}
	for _, a := range list {
		rows = append(rows, []string{a.Name, formatTargets(a.Targets)})
	}
	return cli.Table(m.Stdout, rows)
}

func (m *Main) removeAlias(ctx context.Context, c catalogue.Catalogue, name string) error {
	if err := c.RemoveAlias(ctx, name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(m.Stdout, "removed %s\n", name)
	return err
}

func (m *Main) setAlias(ctx context.Context, c catalogue.Catalogue, name string, targets []runtime.Target) error {
	a, err := c.PutAlias(ctx, name, targets)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.Stdout, "%s: %s\n", a.Name, formatTargets(a.Targets))
	return err
}

// parseTargets parses MODEL[:VERSION][=WEIGHT] arguments. The weight is 1 if left out.
func parseTargets(args []string) ([]runtime.Target, error) {
	var out []runtime.Target
	for _, arg := range args {
		rest, weight, hasWeight := strings.Cut(arg, "=")
		model, version, hasVersion := strings.Cut(rest, ":")
		t := runtime.Target{Model: model, Weight: 1}
		var err error
		if hasWeight {
			t.Weight, err = strconv.Atoi(weight)
		}
		if hasVersion && err == nil {
			t.Version, err = strconv.Atoi(version)
		}
		if err != nil || model == "" || hasVersion && t.Version < 1 {
			return nil, cli.Usagef("%q: give MODEL, MODEL:VERSION or MODEL:VERSION=WEIGHT, with whole numbers", arg)
		}
		out = append(out, t)
	}
	return out, nil
}

// formatTargets formats targets as parseTargets parses them.
func formatTargets(targets []runtime.Target) string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.Model
		if t.Version > 0 {
			out[i] += fmt.Sprintf(":%d", t.Version)
		}
		if len(targets) > 1 {
			out[i] += fmt.Sprintf("=%d", t.Weight)
		}
	}
	return strings.Join(out, " ")
}
