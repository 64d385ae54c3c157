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
	"eigenserve/models/output"
	"eigenserve/runtime"
	"eigenserve/store"
)

func (m *Main) show() *cobra.Command {
	var f catalogue.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME (--store DIR | --server URL)",
		Short: "Show a model: its fidelity, its labels and where it came from",
		Args:  cli.ExactlyOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, done, err := f.Open()
			if err != nil {
				return err
			}
			defer done()
			d, err := c.Variant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(m.Stdout, d)
			}
			return printVariant(m.Stdout, d)
		},
	}
	f.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// maxWorst is the number of tensors that are listed as the worst.
const maxWorst = 5

func printVariant(w io.Writer, d runtime.VariantDetail) error {
	rows := provenanceRows(d)
	if d.Fidelity.Lossy {
		rows = append(rows, []string{"LOSSY", "it did not pass its gate and was stored with --allow-lossy"})
	}
	if d.Fidelity.Step == 0 {
		return cli.Table(w, append(rows, []string{"exact", "every tensor is kept bit for bit"}))
	}
	rows = append(rows, []string{"step", fmt.Sprintf("%.4g root-mean-square coefficients", d.Fidelity.Step)})
	rows = append(rows, answerRows(d.Fidelity.Measured)...)
	rows = append(rows, []string{"energy", cli.Percent(d.Fidelity.Energy) + " of the delta's is kept; worst:"})
	for _, l := range d.Worst[:min(maxWorst, len(d.Worst))] {
		rows = append(rows, []string{"", cli.Percent(l.Energy) + " " + l.Name})
	}
	return cli.Table(w, rows)
}

// taskText says what a model's outputs stand for, "" for the usual: one label is right.
func taskText(t output.Task) string {
	switch t {
	case output.MultiLabel:
		return "multi-label: any number of labels are right, and scores are sigmoids"
	case output.Binary:
		return "binary: the only label is right or not, and its score is a sigmoid"
	case output.Regression:
		return "regression: scores are the outputs themselves"
	}
	return ""
}

// agreementText says what an agreement is a share of.
func agreementText(t output.Task) string {
	switch t {
	case output.MultiLabel, output.Binary:
		return "images with the same labels above one half"
	case output.Regression:
		return "images with every output within a quarter of its standard deviation of the original's"
	}
	return "images with the same best label"
}

// divergenceText names the divergence that goes with an agreement.
func divergenceText(t output.Task) string {
	switch t {
	case output.MultiLabel:
		return "mean KL of all labels"
	case output.Regression:
		return "mean of half the squared errors in standard deviations"
	}
	return "mean KL"
}

// changeText names the largest change of a logit.
func changeText(t output.Task) string {
	if t == output.Regression {
		return "largest change of an output"
	}
	return "largest logit change"
}

// provenanceRows describe what the variant is and where it came from.
func provenanceRows(d runtime.VariantDetail) [][]string {
	b := d.Fidelity.Bytes
	fitted := "added later: the basis was not fitted on it"
	if d.Provenance.Fitted {
		fitted = "the basis was fitted on it, too"
	}
	rows := [][]string{
		{"name", d.Name},
		{"version", versionsText(d.VariantInfo)},
		{"digest", d.Digest},
		{"family", fmt.Sprintf("%s, basis %.12s", d.Family, d.Basis)},
		{"source", fmt.Sprintf("%s, checkpoint %.12s, %s", d.Provenance.Name, d.Provenance.Checkpoint, d.Provenance.Added.Format(time.DateOnly))},
		{"", fitted},
		{"input", fmt.Sprintf("%d×%d×%d", d.Input.Channels, d.Input.Height, d.Input.Width)},
		{"labels", fmt.Sprintf("%d: %s", len(d.Labels), strings.Join(d.Labels, " "))},
	}
	if d.Assumed != "" {
		rows = append(rows, []string{"assumed", d.Assumed})
	}
	if text := taskText(d.Task); text != "" {
		rows = append(rows, []string{"task", text})
	}
	return append(rows, []string{"bytes", fmt.Sprintf("%s of %s (%s): coefficients %s, private tensors %s, metadata %s", cli.Size(d.Bytes), cli.Size(d.SourceBytes),
		shareOfSource(d.VariantInfo), cli.Size(b.Coefficients), cli.Size(b.Private), cli.Size(b.Metadata))})
}

// versionsText returns a model's version and its other versions.
func versionsText(v runtime.VariantInfo) string {
	text := strconv.Itoa(v.Version)
	if others := slices.DeleteFunc(slices.Clone(v.Versions), func(n int) bool { return n == v.Version }); len(others) > 0 {
		text += fmt.Sprintf("; also kept: %v", others)
	}
	return text
}

// answerRows describe what the gate measured and what it required.
func answerRows(m *store.Measured) [][]string {
	if m == nil {
		return [][]string{{"answers", "not measured: the variant was made before there was a gate"}}
	}
	task := output.Task(m.Task)
	divergence := divergenceText(task)
	gate := "none: the step was given"
	if m.MaxKL > 0 {
		gate = fmt.Sprintf("agreement at least %s, %s at most %g", cli.Percent(m.MinAgreement), divergence, m.MaxKL)
	}
	probes := "built-in probes"
	if m.Probes != store.BuiltInProbes {
		probes = fmt.Sprintf("the family's probes (%.12s)", m.Probes)
	}
	text := func(a store.Answers) string {
		return fmt.Sprintf("agreement %s, %s %.3g, %s %.3g", cli.Percent(a.Agreement), divergence, a.KL, changeText(task), a.Logit)
	}
	rows := [][]string{
		{"answers", fmt.Sprintf("%s, on %d images of %s", text(m.Answers), m.Images, probes)},
		{"", fmt.Sprintf("on so many images, an agreement of at least %s (95%% confidence)", cli.Percent(m.AtLeast))},
		{"mean alone", text(m.Mean)},
	}
	if m.Random != nil {
		rows = append(rows, []string{"random", text(*m.Random) + ", with as many random directions in as many bytes"})
	}
	if task != output.SingleLabel {
		rows = append(rows, []string{"", "agreement is the share of " + agreementText(task)})
	}
	return append(rows, []string{"gate", gate})
}
