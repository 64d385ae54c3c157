package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"eigenserve/store/durable"
)

// WriteFile writes a file that the user named, whole or not at all. A symbolic link
// is followed; a device such as /dev/stdout is written to directly.
func WriteFile(path string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return durable.Replace(path, write)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
