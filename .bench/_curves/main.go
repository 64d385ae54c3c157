// Command curves measures the size of variants against how often they answer like
// their originals, for this project's coder and for published ones, on the same
// checkpoints. It prints a table and draws a figure. Run it as .bench/curves.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// options are those of the command line.
type options struct {
	fitted, added, probes, svg string
	every                      int
	only                       string
	members                    bool
}

func main() {
	var o options
	flag.StringVar(&o.probes, "probes", "", "safetensors `file` of images to measure the metric on (default: built-in ones)")
	flag.StringVar(&o.svg, "svg", "", "`file` to write the figure to")
	flag.IntVar(&o.every, "every", 8, "measure every `n`-th of the fitted checkpoints")
	flag.StringVar(&o.only, "only", "", "measure only coders whose name contains `text`")
	flag.BoolVar(&o.members, "members", false, "print instead what added checkpoints need for an agreement of 0.99, by how many were fitted")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: curves [flags] FITTED-FOLDER ADDED-FOLDER\nThe folders hold checkpoints, each with an eval.safetensors.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || o.every < 1 {
		flag.Usage()
		os.Exit(2)
	}
	o.fitted, o.added = flag.Arg(0), flag.Arg(1)
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "curves:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	fitted, err := open(o.fitted, 1)
	if err != nil {
		return err
	}
	added, err := open(o.added, 1)
	if err != nil {
		return err
	}
	if o.members {
		return membersTable(ctx, o, fitted, added)
	}
	f, err := newFamily(fitted)
	if err != nil {
		return err
	}
	ours, err := newOurs(ctx, o, fitted)
	if err != nil {
		return err
	}
	var sample []*checkpointAt
	for i := 0; i < len(fitted); i += o.every {
		sample = append(sample, fitted[i])
	}
	var points []point
	fmt.Println("| coder | setting | size, fitted | agreement | size, added | agreement | lowest | shared by the family |\n|---|---|---|---|---|---|---|---|")
	for _, c := range append(ours, published(f)...) {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		a, err := measure(f, c, sample)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, c.setting, err)
		}
		b, err := measure(f, c, added)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, c.setting, err)
		}
		fmt.Printf("| %s | %s | %.2f%% | %.4f | %.2f%% | %.4f | %.3f | %.1f |\n", c.name, c.setting, 100*a.size, a.agreement, 100*b.size, b.agreement, b.lowest, c.shared)
		points = append(points, point{c.name, a, b})
	}
	if o.svg == "" {
		return nil
	}
	return os.WriteFile(filepath.Clean(o.svg), []byte(figure(points)), 0o644)
}

// published returns the coders to compare with, each at several settings.
func published(f *family) []coder {
	var all []coder
	for _, c := range [][]coder{rawSteps(f), bitDelta(f), blocks(f), lowRank(f), deltaCoMe(f), ultraDelta(f), deltaDCT(f), modelAxis(f)} {
		all = append(all, c...)
	}
	return all
}
