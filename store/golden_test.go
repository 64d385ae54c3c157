package store_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// A golden file shows a file's bytes in hexadecimal, annotated with their meaning. go test
// ./store -update rewrites it. If it changes, the format has changed and needs a new
// version.
func TestGoldenBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		read func(raw []byte) error
	}{
		{"basis", encoded(t, tinyBasis()), func(raw []byte) error { _, err := parseBasis(raw); return err }},
		{"variant", bytesOf(t, tinyVariant(t)), func(raw []byte) error { _, err := store.ParseVariant(raw); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata", c.name+".golden")
			shown := annotated(t, c.file)
			if *update {
				if err := os.WriteFile(path, []byte(shown), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), shown); diff != "" {
				t.Errorf("the file has changed (-golden +now):\n%s", diff)
			}
			if err := c.read(unannotated(t, string(golden))); err != nil {
				t.Errorf("the golden file can no longer be read: %v", err)
			}
		})
	}
}

// Files of version 1 are read with their meaning unchanged.
func TestGoldenVersion1(t *testing.T) {
	golden, err := os.ReadFile("testdata/variant.v1.golden")
	if err != nil {
		t.Fatal(err)
	}
	v, err := store.ParseVariant(unannotated(t, string(golden)))
	if err != nil {
		t.Fatal(err)
	}
	want := tinyVariant(t)
	if v.Step != want.Step || v.Head != nil || !bytes.Equal(v.Coefficients, want.Coefficients) || len(v.Private) != len(want.Private) {
		t.Errorf("read %+v", v)
	}
	if golden, err = os.ReadFile("testdata/basis.v1.golden"); err != nil {
		t.Fatal(err)
	}
	b, err := parseBasis(unannotated(t, string(golden)))
	if err != nil || len(b.Layers) != len(tinyBasis().Layers) || b.Probes != "" || b.Heads != nil {
		t.Errorf("read %+v, %v", b, err)
	}
}

// annotated shows the sections of a safetensors file in rows of an offset, sixteen bytes
// and, after a bar, their meaning.
func annotated(t testing.TB, raw []byte) string {
	f, err := tensorfile.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	section := func(from, to int, what func(row []byte) string) {
		for at := from; at < to; at += 16 {
			row := raw[at:min(at+16, to)]
			line := fmt.Sprintf("%06x  %-48s| ", at, fmt.Sprintf("% x", row))
			fmt.Fprintln(&out, strings.TrimRight(line+what(row), " "))
		}
	}
	n := 8 + int(binary.LittleEndian.Uint64(raw))
	section(0, 8, func([]byte) string { return fmt.Sprintf("the header's length: %d", n-8) })
	section(8, n, func(row []byte) string { return string(row) })
	for _, s := range byPlace(f, raw[n:]) {
		title := fmt.Sprintf("%s %s %v", s.name, s.DType, s.Shape)
		section(n+s.at, n+s.at+len(s.Data), func([]byte) string {
			first := title
			title = ""
			return first
		})
	}
	return out.String()
}

type placed struct {
	tensorfile.Tensor
	name string
	at   int
}

// byPlace returns the tensors in the order of their data. The data of each is a view of
// data, so its capacity says where it begins.
func byPlace(f *tensorfile.File, data []byte) []placed {
	var all []placed
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		all = append(all, placed{x, name, cap(data) - cap(x.Data)})
	}
	sort.Slice(all, func(a, b int) bool { return all[a].at < all[b].at })
	return all
}

func unannotated(t testing.TB, golden string) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(golden) {
		raw, err := hex.DecodeString(strings.ReplaceAll(line[8:56], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
	}
	return out.Bytes()
}
