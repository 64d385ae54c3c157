package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
	"eigenserve/store"
)

func (m *Main) show() *cobra.Command {
	var c catalogue.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME (--store DIR | --server URL)",
		Short: "Show a model: its fidelity report, labels and where it came from",
		Args:  cli.ExactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			calls, done, err := c.Open()
			if err != nil {
				return err
			}
			defer done()
			d, err := calls.Variant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(m.Stdout, d)
			}
			return showVariant(m.Stdout, d)
		},
	}
	c.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// worst is how many tensors the report names.
const worst = 5

// versionsOf is a model's version, and the others that it has.
func versionsOf(v runtime.VariantInfo) string {
	text := strconv.Itoa(v.Version)
	if others := slices.DeleteFunc(slices.Clone(v.Versions), func(n int) bool { return n == v.Version }); len(others) > 0 {
		text += fmt.Sprintf(", beside %v", others)
	}
	return text
}

func showVariant(w io.Writer, d runtime.VariantDetail) error {
	b := d.Fidelity.Bytes
	fitted := "added later: the basis was not fitted on it"
	if d.Provenance.Fitted {
		fitted = "the basis was fitted on it too"
	}
	rows := [][]string{
		{"name", d.Name},
		{"version", versionsOf(d.VariantInfo)},
		{"digest", d.Digest},
		{"family", d.Family + ", basis " + fmt.Sprintf("%.12s", d.Basis)},
		{"from", fmt.Sprintf("%s, checkpoint %.12s, %s", d.Provenance.Name, d.Provenance.Checkpoint, d.Provenance.Added.Format(time.DateOnly))},
		{"", fitted},
		{"input", fmt.Sprintf("%d×%d×%d", d.Input.Channels, d.Input.Height, d.Input.Width)},
		{"labels", fmt.Sprintf("%d: %s", len(d.Labels), strings.Join(d.Labels, " "))},
		{"bytes", fmt.Sprintf("%s for %s (%s): coefficients %s, private tensors %s, metadata %s", cli.Size(d.Bytes), cli.Size(d.SourceBytes),
			cli.Percent(float64(d.Bytes)/float64(max(d.SourceBytes, 1))), cli.Size(b.Coefficients), cli.Size(b.Private), cli.Size(b.Metadata))},
	}
	if d.Fidelity.Lossy {
		rows = append(rows, []string{"LOSSY", "it did not pass its gate and was stored all the same"})
	}
	if d.Fidelity.Step == 0 {
		return cli.Table(w, append(rows, []string{"exact", "every tensor as it came"}))
	}
	rows = append(rows, []string{"step", fmt.Sprintf("%.4g root-mean-square coefficients", d.Fidelity.Step)})
	rows = append(rows, answers(d.Fidelity.Measured)...)
	rows = append(rows, []string{"energy", cli.Percent(d.Fidelity.Energy) + " of the delta's kept; worst:"})
	for i, l := range d.Worst {
		if i == worst {
			break
		}
		rows = append(rows, []string{"", cli.Percent(l.Energy) + " " + l.Name})
	}
	return cli.Table(w, rows)
}

// answers says what the gate measured, and what it asked for.
func answers(m *store.Measured) [][]string {
	if m == nil {
		return [][]string{{"answers", "not measured: made before there was a gate"}}
	}
	gate := "none: the step was given"
	if m.MaxKL > 0 {
		gate = fmt.Sprintf("agreement at least %s, mean KL at most %g", cli.Percent(m.MinAgreement), m.MaxKL)
	}
	probes := "built-in probes"
	if m.Probes != store.BuiltInProbes {
		probes = fmt.Sprintf("the family's probes (%.12s)", m.Probes)
	}
	row := func(a store.Answers) string {
		return fmt.Sprintf("agreement %s, mean KL %.3g, largest logit change %.3g", cli.Percent(a.Agreement), a.KL, a.Logit)
	}
	rows := [][]string{
		{"answers", fmt.Sprintf("%s, on %d images of %s", row(m.Answers), m.Images, probes)},
		{"", fmt.Sprintf("so many images speak for an agreement of at least %s (95%% confidence)", cli.Percent(m.AtLeast))},
		{"mean alone", row(m.Mean)},
	}
	if m.Random != nil {
		rows = append(rows, []string{"random", row(*m.Random) + ", by as many random directions in as many bytes"})
	}
	return append(rows, []string{"gate", gate})
}
