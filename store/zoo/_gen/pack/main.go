// Command pack writes store/zoo/zoo.zip, the family that the program embeds:
// a fitted family's basis and variants out of a store, with a few sample images
// of each out of the checkpoints' eval.safetensors. The same input gives the
// same bytes. It fits nothing itself: see README.md beside it for the steps.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// options are the command line's.
type options struct {
	store, family, checkpoints, out string
	samples                         int
}

func main() {
	var o options
	flag.StringVar(&o.store, "store", "", "store `folder` that holds the fitted family")
	flag.StringVar(&o.family, "family", "", "`name` of the family")
	flag.StringVar(&o.checkpoints, "checkpoints", "", "`folder` of the checkpoints, by the variants' names")
	flag.IntVar(&o.samples, "samples", 3, "images of each variant, of different labels")
	flag.StringVar(&o.out, "out", filepath.FromSlash("store/zoo/zoo.zip"), "`file` to write")
	flag.Usage = usage
	flag.Parse()
	if o.store == "" || o.family == "" || o.checkpoints == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "pack: --store, --family and --checkpoints are needed, and nothing else")
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
	return tell(report, o.out)
}

// gather collects the archive's files by name.
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
