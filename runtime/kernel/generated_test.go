package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The assembly in the tree is what the generator writes.
func TestAssemblyIsGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the generator")
	}
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "./_gen", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	written, err := filepath.Glob(filepath.Join(dir, "*.s"))
	if err != nil || len(written) == 0 {
		t.Fatalf("the generator wrote nothing (%v)", err)
	}
	for _, w := range written {
		want, err := os.ReadFile(w)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(filepath.Base(w)); !bytes.Equal(got, want) {
			t.Errorf("%s is not what _gen writes; run go generate", filepath.Base(w))
		}
	}
}
