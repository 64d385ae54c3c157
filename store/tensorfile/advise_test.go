package tensorfile_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"eigenserve/store/tensorfile"
)

// Prefetch and Evict do not change what is read, whether the file is mapped or in memory,
// and whether a tensor fills whole pages or not.
func TestAdvise(t *testing.T) {
	want := map[string]tensorfile.Tensor{}
	for name, n := range map[string]int{"one": 1, "some": 1000, "pages": 5000, "none": 0} {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i)
		}
		want[name] = tensorfile.FromFloat32("F32", []int{n}, v)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := tensorfile.WriteFile(path, want, nil); err != nil {
		t.Fatal(err)
	}
	mapped, err := tensorfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	var raw bytes.Buffer
	if err := tensorfile.Encode(&raw, want, nil); err != nil {
		t.Fatal(err)
	}
	inMemory, err := tensorfile.Parse(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]*tensorfile.File{"mapped": mapped, "in memory": inMemory} {
		for name, w := range want {
			got, _ := f.Tensor(name)
			for range 2 {
				f.Prefetch(got)
				if !bytes.Equal(got.Data, w.Data) {
					t.Errorf("%s: %q changed", what, name)
				}
				f.Evict(got)
				mapped.Evict(w) // not in the mapping: it must keep its content
			}
			if !bytes.Equal(got.Data, w.Data) || len(w.Data) > 8 && w.Data[6] == 0 {
				t.Errorf("%s: %q changed", what, name)
			}
		}
	}
}
