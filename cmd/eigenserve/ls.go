package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

func (m *Main) ls() *cobra.Command {
	var c catalogue
	cmd := &cobra.Command{
		Use:   "ls (--store DIR | --server URL)",
		Short: "List the models",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			calls, done, err := c.open()
			if err != nil {
				return err
			}
			defer done()
			list, err := calls.variants(cmd.Context())
			if err != nil {
				return err
			}
			m.warn(calls)
			if c.json {
				return printJSON(m.Stdout, list)
			}
			rows := [][]string{{"NAME", "VERSION", "FAMILY", "CLASSES", "BYTES", "SHARE", "ENERGY", "DIGEST"}}
			for _, v := range list {
				rows = append(rows, []string{v.Name, versionOf(v), v.Family, strconv.Itoa(v.Classes), size(v.Bytes),
					percent(float64(v.Bytes) / float64(max(v.SourceBytes, 1))), percent(v.Energy), fmt.Sprintf("%.12s", v.Digest)})
			}
			return table(m.Stdout, rows)
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// warn tells what is wrong with a store; a server has told its log.
func (m *Main) warn(calls catalogueCalls) {
	if o, ok := calls.(offline); ok {
		for _, line := range o.eng.Warnings() {
			fmt.Fprintf(m.Stderr, "eigenserve: %s\n", line)
		}
	}
}

// versionOf is a model's version, and how many are kept where there are more.
func versionOf(v runtime.VariantInfo) string {
	if n := len(v.Versions); n > 1 {
		return fmt.Sprintf("%d (%d kept)", v.Version, n)
	}
	return strconv.Itoa(v.Version)
}

func (c *catalogue) flags(cmd *cobra.Command) {
	storeFlag(cmd, &c.dir)
	cmd.Flags().StringVar(&c.server, "server", "", "address of a running server, in the place of --store")
}
