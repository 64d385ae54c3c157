package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

func (m *Main) rm() *cobra.Command {
	var c catalogue
	cmd := &cobra.Command{
		Use:   "rm NAME[:VERSION]… (--store DIR | --server URL)",
		Short: "Remove models, or one version of them",
		Args:  needs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			calls, done, err := c.open()
			if err != nil {
				return err
			}
			defer done()
			return m.severally(cmd.Context(), args, "removed", keepsItself, func(_ int, name string) error {
				if err := calls.remove(cmd.Context(), name); err != nil {
					return err
				}
				fmt.Fprintf(m.Stdout, "removed %s\n", name)
				return nil
			})
		},
	}
	c.flags(cmd)
	return cmd
}

// keepsItself tells whether an error is of the model that was to be removed: it is not
// there, or in use.
func keepsItself(err error) bool {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.status == http.StatusNotFound || e.status == http.StatusConflict || e.status == http.StatusBadRequest
	}
	e, ok := errors.AsType[*runtime.Error](err)
	return ok && (e.Code == runtime.NotFound || e.Code == runtime.Conflict || e.Code == runtime.Invalid)
}
