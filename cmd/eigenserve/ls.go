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
	var f catalogue.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls (--store DIR | --server URL)",
		Short: "List models",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, done, err := f.Open()
			if err != nil {
				return err
			}
			defer done()
			list, err := c.Variants(cmd.Context())
			if err != nil {
				return err
			}
			catalogue.PrintWarnings(m.Stderr, c)
			if asJSON {
				return cli.PrintJSON(m.Stdout, list)
			}
			return m.printModels(list)
		},
	}
	f.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (m *Main) printModels(list []runtime.VariantInfo) error {
	rows := [][]string{{"NAME", "VERSION", "FAMILY", "CLASSES", "BYTES", "OF SOURCE", "ENERGY", "DIGEST"}}
	for _, v := range list {
		rows = append(rows, []string{v.Name, versionText(v), v.Family, strconv.Itoa(v.Classes), cli.Size(v.Bytes),
			shareOfSource(v), cli.Percent(v.Energy), fmt.Sprintf("%.12s", v.Digest)})
	}
	return cli.Table(m.Stdout, rows)
}

// shareOfSource returns a variant's share of its checkpoint's bytes.
func shareOfSource(v runtime.VariantInfo) string {
	return cli.Percent(float64(v.Bytes) / float64(max(v.SourceBytes, 1)))
}

// versionText returns a model's version, and how many versions there are if there are
// several.
func versionText(v runtime.VariantInfo) string {
	if n := len(v.Versions); n > 1 {
		return fmt.Sprintf("%d (%d kept)", v.Version, n)
	}
	return strconv.Itoa(v.Version)
}
