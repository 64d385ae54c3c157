package inference

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedIsCurrent runs the command of go generate and compares its output with the
// files, except for the comments, which name the versions of the generators.
func TestGeneratedIsCurrent(t *testing.T) {
	for _, tool := range []string{"protoc", "protoc-gen-go", "protoc-gen-go-grpc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command("protoc", "--go_out="+dir, "--go_opt=paths=source_relative", "--go-grpc_out="+dir, "--go-grpc_opt=paths=source_relative", "inference.proto")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"inference.pb.go", "inference_grpc.pb.go"} {
		if diff := cmp.Diff(code(t, filepath.Join(dir, name)), code(t, name)); diff != "" {
			t.Errorf("%s is not current, run go generate: %s", name, diff)
		}
	}
}

// code returns the lines of a generated file that do not depend on the versions of the
// generators.
func code(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "// ") {
			lines = append(lines, line)
		}
	}
	return lines
}
