// Package durable replaces and removes files so that a crash at any moment leaves
// the old content or the new, whole, and what a call has reported done stays done.
package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
)

// Replace makes path hold what write writes. After a crash at any moment path
// holds the old content or the new, whole; once Replace returns nil it holds the
// new for good. On an error path is as it was, unless it is the folder that could not
// be synced: then path holds the new, which a crash may take back.
//
// The content goes to a temporary file in the same folder, .<name>.<random>.tmp,
// which is synced and renamed. A crash may leave that one behind.
func Replace(path string, write func(io.Writer) error) error {
	if err := replace(path, write); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

func replace(path string, write func(io.Writer) error) error {
	dir, name := filepath.Split(path)
	temporary := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", name, rand.Uint64()))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	renamed := false
	defer func() { // also when write panics
		if !renamed {
			f.Close()
			os.Remove(temporary)
		}
	}()
	if err := fill(f, write); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	renamed = true
	return syncFolder(filepath.Dir(path))
}

// fill writes, syncs and closes: only a closed file can be renamed on Windows.
func fill(f *os.File, write func(io.Writer) error) error {
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// Remove removes the file at path; once it returns nil, a crash does not bring
// the file back.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// Mkdir makes a folder, to last, in one that is there. That it exists
// already is no error.
func Mkdir(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in the folder last. Windows has no such call and
// orders its own metadata.
func syncFolder(path string) error {
	if goruntime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
