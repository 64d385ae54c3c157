package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/client"
	"eigenserve/runtime"
)

func (m *Main) rm() *cobra.Command {
	var c catalogue.Flags
	cmd := &cobra.Command{
		Use:   "rm NAME[:VERSION]… (--store DIR | --server URL)",
		Short: "Remove models, or one version of them",
		Args:  cli.AtLeastOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			calls, done, err := c.Open()
			if err != nil {
				return err
			}
			defer done()
			return cli.ForEach(cmd.Context(), m.Stderr, args, "removed", keepsItself, func(_ int, name string) error {
				if err := calls.Remove(cmd.Context(), name); err != nil {
					return err
				}
				fmt.Fprintf(m.Stdout, "removed %s\n", name)
				return nil
			})
		},
	}
	c.Add(cmd)
	return cmd
}

// keepsItself tells whether an error is of the model that was to be removed: it is not
// there, or in use.
func keepsItself(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Status == http.StatusNotFound || e.Status == http.StatusConflict || e.Status == http.StatusBadRequest
	}
	e, ok := errors.AsType[*runtime.Error](err)
	return ok && (e.Code == runtime.NotFound || e.Code == runtime.Conflict || e.Code == runtime.Invalid)
}
