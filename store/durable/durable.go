// Package durable replaces and removes files so that a crash at any moment leaves the
// old content or the new, whole, and a change lasts once the call has returned. It
// locks nothing: two writers of one file are the caller's business.
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

// Replace makes the file at path hold what write writes. After a crash at any moment it
// holds the old content or the new, whole, and once Replace has returned nil the new. After
// an error the file is unchanged, unless the error was in syncing its directory: then it
// holds the new content, which a crash may undo.
//
// The content is written to a temporary file in the same directory, .<name>.<random>.tmp,
// which is synced and renamed. A crash may leave the temporary file behind.
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
	defer func() { // even if write panics
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
	return syncDir(filepath.Dir(path))
}

// fill writes, syncs and closes a file. Windows renames only closed files.
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

// Remove removes a file. Once it has returned nil, a crash does not bring the file back.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Mkdir makes a directory if it does not exist. Once it has returned nil, a crash does not
// remove the directory.
func Mkdir(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the changes of a directory's entries durable. Windows has no such call: it
// orders changes of directories itself.
func syncDir(path string) error {
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
