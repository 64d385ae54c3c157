package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/familypage"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

type inspectFlags struct {
	store, family, page string
}

func (m *Main) inspect() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect FILE | inspect --store DIR --family NAME [--html FILE]",
		Short: "Show what is in a basis or a variant: tensors, ranks, spectrum",
		Long: `Inspect prints what is in a file of a store, or in a family's basis. With --html it
writes a self-contained page about the family: the spectra and the energy kept by layer,
and each variant's size and agreement with its original, next to the nulls.`,
		Example: "  eigenserve inspect --store ./store --family glyphs --html glyphs.html",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case f.page != "" && (len(args) > 0 || f.family == ""):
				return cli.Usagef("--html is for a family: give --store DIR and --family NAME")
			case f.page != "":
				return m.writeFamilyPage(f)
			case len(args) == 1 && f.family == "":
				return inspectFile(m.Stdout, args[0])
			case len(args) == 0 && f.family != "":
				return m.inspectFamily(f)
			}
			return cli.Usagef("give a FILE, or --store DIR and --family NAME")
		},
	}
	catalogue.StoreFlag(cmd, &f.store)
	cmd.Flags().StringVar(&f.family, "family", "", "`name` of a family in the store")
	cmd.Flags().StringVar(&f.page, "html", "", "`file` to write a page about the family to")
	return cmd
}

func (m *Main) writeFamilyPage(f inspectFlags) error {
	eng, err := catalogue.OpenEngine(f.store)
	if err != nil {
		return err
	}
	defer eng.Close()
	return familypage.WriteFile(m.Stdout, eng, f.family, f.page)
}

func (m *Main) inspectFamily(f inspectFlags) error {
	s, err := catalogue.OpenStore(f.store)
	if err != nil {
		return err
	}
	family, err := s.Family(f.family)
	if err != nil {
		return err
	}
	b, err := s.OpenBasis(family.Basis)
	if err != nil {
		return err
	}
	defer b.Close()
	return inspectBasis(m.Stdout, b)
}

func inspectFile(w io.Writer, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := tensorfile.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch f.Metadata["format"] {
	case store.BasisFormat:
		b, err := store.DecodeBasis(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		b.Digest = store.Digest(raw)
		return inspectBasis(w, b)
	case store.VariantFormat:
		v, err := store.DecodeVariant(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		v.Digest = store.Digest(raw)
		return inspectVariant(w, v, f)
	}
	return inspectTensors(w, f)
}

// inspectBasis prints a row for each layer: its size, its directions, and how many of
// them hold 50, 90 and 99% of the energy of the fitted deltas.
func inspectBasis(w io.Writer, b *store.Basis) error {
	fmt.Fprintf(w, "basis %s\nfamily %s, fitted on %s, metric %s, root-mean-square coefficient %.3g\n\n",
		b.Digest, b.Family, cli.Plural(len(b.Sources), "checkpoint"), b.Metric, b.RMS)
	rows := [][]string{{"LAYER", "SIZE", "LEFT", "RIGHT", "LEFT 50/90/99%", "RIGHT 50/90/99%", "MEAN"}}
	for i := range b.Layers {
		l := &b.Layers[i]
		p, q := l.Directions()
		rows = append(rows, []string{l.Name, fmt.Sprintf("%d×%d", l.Rows(), l.Width()), fmt.Sprint(p), fmt.Sprint(q),
			spread(l.Spectrum.Left, l.Spectrum.Energy), spread(l.Spectrum.Right, l.Spectrum.Energy), l.Mean.DType})
	}
	for i := range b.Vectors {
		rows = append(rows, []string{b.Vectors[i].Name, fmt.Sprint(b.Vectors[i].Shape), "", "", "", "", "F32"})
	}
	return cli.Table(w, rows)
}

// spread returns how many of the leading eigenvalues hold three shares of the energy.
func spread(values []float64, energy float64) string {
	var out []string
	for _, share := range []float64{0.5, 0.9, 0.99} {
		sum, n := 0.0, 0
		for n < len(values) && sum < share*energy {
			sum += values[n]
			n++
		}
		text := fmt.Sprint(n)
		if sum < share*energy*(1-1e-9) {
			text = ">" + text
		}
		out = append(out, text)
	}
	return strings.Join(out, "/")
}

func inspectVariant(w io.Writer, v *store.Variant, f *tensorfile.File) error {
	fmt.Fprintf(w, "variant %s\nname %s, family %s, basis %s\nstep %g, energy %s, %d labels\n\n",
		v.Digest, v.Name, v.Family, v.Basis, v.Fidelity.Step, cli.Percent(v.Fidelity.Energy), len(v.Labels))
	return inspectTensors(w, f)
}

func inspectTensors(w io.Writer, f *tensorfile.File) error {
	rows := [][]string{{"TENSOR", "TYPE", "SHAPE", "BYTES"}}
	names := f.Names()
	sort.Strings(names)
	for _, name := range names {
		t, _ := f.Tensor(name)
		rows = append(rows, []string{name, t.DType, fmt.Sprint(t.Shape), cli.Size(int64(len(t.Data)))})
	}
	return cli.Table(w, rows)
}
