package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
)

func (m *Main) ls() *cobra.Command {
	var c catalogue.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls (--store DIR | --server URL)",
		Short: "List the models",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			calls, done, err := c.Open()
			if err != nil {
				return err
			}
			defer done()
			list, err := calls.Variants(cmd.Context())
			if err != nil {
				return err
			}
			catalogue.PrintWarnings(m.Stderr, calls)
			if asJSON {
				return cli.PrintJSON(m.Stdout, list)
			}
			rows := [][]string{{"NAME", "VERSION", "FAMILY", "CLASSES", "BYTES", "SHARE", "ENERGY", "DIGEST"}}
			for _, v := range list {
				rows = append(rows, []string{v.Name, versionOf(v), v.Family, strconv.Itoa(v.Classes), cli.Size(v.Bytes),
					cli.Percent(float64(v.Bytes) / float64(max(v.SourceBytes, 1))), cli.Percent(v.Energy), fmt.Sprintf("%.12s", v.Digest)})
			}
			return cli.Table(m.Stdout, rows)
		},
	}
	c.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// versionOf is a model's version, and how many are kept where there are more.
func versionOf(v runtime.VariantInfo) string {
	if n := len(v.Versions); n > 1 {
		return fmt.Sprintf("%d (%d kept)", v.Version, n)
	}
	return strconv.Itoa(v.Version)
}
