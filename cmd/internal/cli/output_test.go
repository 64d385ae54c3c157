package cli_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/cmd/internal/cli"
)

func TestWriteFileFollowsLinksAndKeepsDevices(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	hello := func(w io.Writer) error { _, err := io.WriteString(w, "hello"); return err }
	for _, path := range []string{file, link} {
		if err := cli.WriteFile(path, hello); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "hello" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	null, err := os.Stat(os.DevNull)
	if err != nil || null.Mode().IsRegular() {
		t.Skip("no null device")
	}
	device := filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	if err := cli.WriteFile(device, hello); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(os.DevNull); err != nil || after.Mode() != null.Mode() {
		t.Errorf("the null device became %v, %v", after.Mode(), err)
	}
	if err := cli.WriteFile(dir, hello); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a folder: %v", err)
	}
}
