package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

func (m *Main) alias() *cobra.Command {
	var c catalogue
	var remove bool
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
				return usagef("to move an alias give its name and what it shall stand for, to remove one its name and --delete")
			}
			calls, done, err := c.open()
			if err != nil {
				return err
			}
			defer done()
			switch {
			case len(args) == 0:
				return m.listAliases(cmd.Context(), calls, c.json)
			case remove:
				if err := calls.removeAlias(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(m.Stdout, "removed %s\n", args[0])
				return nil
			}
			targets, err := parseTargets(args[1:])
			if err != nil {
				return err
			}
			a, err := calls.putAlias(cmd.Context(), args[0], targets)
			if err != nil {
				return err
			}
			fmt.Fprintf(m.Stdout, "%s: %s\n", a.Name, standsFor(a))
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print the list as JSON")
	cmd.Flags().BoolVar(&remove, "delete", false, "remove the alias; its models stay")
	return cmd
}

func (m *Main) listAliases(ctx context.Context, calls catalogueCalls, asJSON bool) error {
	list, err := calls.aliases(ctx)
	if err != nil {
		return err
	}
	m.warn(calls)
	if asJSON {
		return printJSON(m.Stdout, list)
	}
	rows := [][]string{{"ALIAS", "STANDS FOR"}}
	for _, a := range list {
		rows = append(rows, []string{a.Name, standsFor(a)})
	}
	return table(m.Stdout, rows)
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
			return nil, usagef("%q: give MODEL, MODEL:VERSION or MODEL:VERSION=WEIGHT, in whole numbers", arg)
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

func (o offline) aliases(context.Context) ([]runtime.Alias, error) { return o.eng.Aliases(), nil }

func (o offline) putAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, error) {
	a, _, err := o.eng.PutAlias(ctx, name, targets)
	return a, err
}

func (o offline) removeAlias(ctx context.Context, name string) error {
	return o.eng.DeleteAlias(ctx, name)
}

func (c *client) aliases(ctx context.Context) ([]runtime.Alias, error) {
	var list struct {
		Aliases []runtime.Alias `json:"aliases"`
	}
	_, err := c.call(ctx, http.MethodGet, "/v1/aliases", "", nil, &list)
	return list.Aliases, err
}

func (c *client) putAlias(ctx context.Context, name string, targets []runtime.Target) (a runtime.Alias, err error) {
	body, err := json.Marshal(map[string]any{"targets": targets})
	if err != nil {
		return a, err
	}
	_, err = c.call(ctx, http.MethodPut, "/v1/aliases/"+url.PathEscape(name), "application/json", bytes.NewReader(body), &a)
	return a, err
}

func (c *client) removeAlias(ctx context.Context, name string) error {
	_, err := c.call(ctx, http.MethodDelete, "/v1/aliases/"+url.PathEscape(name), "", nil, nil)
	return err
}
