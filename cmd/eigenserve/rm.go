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
	var f catalogue.Flags
	cmd := &cobra.Command{
		Use:   "rm NAME[:VERSION]… (--store DIR | --server URL)",
		Short: "Remove models, or versions of them",
		Args:  cli.AtLeastOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, done, err := f.Open()
			if err != nil {
				return err
			}
			defer done()
			return cli.ForEach(cmd.Context(), m.Stderr, args, "removed", concernsModel, func(_ int, name string) error {
				if err := c.Remove(cmd.Context(), name); err != nil {
					return err
				}
				_, err := fmt.Fprintf(m.Stdout, "removed %s\n", name)
				return err
			})
		},
	}
	f.Add(cmd)
	return cmd
}

// concernsModel reports whether an error concerns only the model to remove: it does not
// exist, or it is in use.
func concernsModel(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Status == http.StatusNotFound || e.Status == http.StatusConflict || e.Status == http.StatusBadRequest
	}
	e, ok := errors.AsType[*runtime.Error](err)
	return ok && (e.Code == runtime.NotFound || e.Code == runtime.Conflict || e.Code == runtime.Invalid)
}
