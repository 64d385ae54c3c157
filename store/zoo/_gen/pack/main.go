// Command pack writes store/zoo/zoo.zip, the family that the program embeds. It packs the
// basis and variants of a fitted family in a store, and a few sample images of each variant
// from eval.safetensors of its checkpoint. The same input gives the same bytes. The README
// in the parent directory lists all steps.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// options are the options of the command line.
type options struct {
	store, family, checkpoints, out string
	samples                         int
}

func main() {
	var o options
	flag.StringVar(&o.store, "store", "", "`folder` of the store with the fitted family")
	flag.StringVar(&o.family, "family", "", "`name` of the family")
	flag.StringVar(&o.checkpoints, "checkpoints", "", "`folder` of the checkpoints, named like the variants")
	flag.IntVar(&o.samples, "samples", 3, "number of sample images of each variant, with different labels")
	flag.StringVar(&o.out, "out", filepath.FromSlash("store/zoo/zoo.zip"), "`file` to write")
	flag.Usage = usage
	flag.Parse()
	if o.store == "" || o.family == "" || o.checkpoints == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "pack: --store, --family and --checkpoints are required, and no arguments")
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(flag.CommandLine.Output(), "Usage: pack --store DIR --family NAME --checkpoints DIR [--samples N] [--out FILE]")
	flag.PrintDefaults()
}

func run(o options, report io.Writer) error {
	parts, err := gather(o)
	if err != nil {
		return err
	}
	file, err := os.Create(o.out + ".partial")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := errors.Join(write(file, parts), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), o.out); err != nil {
		return err
	}
	return printSizes(report, o.out)
}

// gather returns the files of the archive by name.
func gather(o options) (map[string][]byte, error) {
	family, err := open(o.store, o.family)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"basis.safetensors":  family.basis,
		"LICENSE-glyphs.txt": []byte(licence),
	}
	if family.probes != nil {
		files["probes.safetensors"] = family.probes
	}
	for _, m := range family.models {
		files["models/"+m.name+".safetensors"] = m.file
		if o.samples < 1 {
			continue
		}
		images, err := samples(filepath.Join(o.checkpoints, m.name), m.labels, o.samples)
		if err != nil {
			return nil, fmt.Errorf("samples of %q: %w", m.name, err)
		}
		for label, image := range images {
			files["samples/"+m.name+"/"+label+".png"] = image
		}
	}
	return files, nil
}
