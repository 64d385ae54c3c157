package main

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// epoch is the time of every file in the archive, the first that a zip archive can hold. The
// archive depends only on the content of its files.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// write writes a zip archive of files, given by name.
func write(w io.Writer, files map[string][]byte) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
		if path.Ext(name) == ".png" {
			h.Method = zip.Store // already deflated
		}
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(files[name]); err != nil {
			return err
		}
	}
	return z.Close()
}

// printSizes prints the size of each part of an archive.
func printSizes(w io.Writer, archive string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	info, err := os.Stat(archive)
	if err != nil {
		return err
	}
	type sum struct{ files, bytes, packed uint64 }
	sums := map[string]sum{}
	rest := uint64(info.Size())
	for _, f := range z.File {
		part, _, _ := strings.Cut(f.Name, "/")
		s := sums[part]
		sums[part] = sum{s.files + 1, s.bytes + f.UncompressedSize64, s.packed + f.CompressedSize64}
		rest -= f.CompressedSize64
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "part\tfiles\tbytes\tin the archive\t")
	for _, part := range slices.Sorted(maps.Keys(sums)) {
		s := sums[part]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", part, s.files, s.bytes, s.packed)
	}
	fmt.Fprintf(t, "names\t\t\t%d\t\n", rest)
	fmt.Fprintf(t, "total\t%d\t\t%d\t\n", len(z.File), info.Size())
	return t.Flush()
}
