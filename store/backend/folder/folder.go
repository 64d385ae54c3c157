// Package folder keeps the files of a store in a folder of the local file system.
//
// A file is written to a temporary name in its directory, synced and renamed, and the
// directory is synced: see package durable. A lock is an flock(2) on a file named lock
// in the locked directory, or the equivalent of the system, which releases it when its
// holder ends. The change counter is the file changes. It does not know what the files
// hold.
package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"eigenserve/store/backend"
	"eigenserve/store/durable"
)

const (
	lockName    = "lock"
	changesName = "changes"
)

// Folder is the backend of a folder.
type Folder struct {
	dir   string
	files fs.FS
}

var (
	_ backend.Backend = (*Folder)(nil)
	_ fs.ReadFileFS   = (*Folder)(nil)
	_ fs.ReadDirFS    = (*Folder)(nil)
	_ fs.StatFS       = (*Folder)(nil)
)

// New returns the backend of the folder dir, which need not exist.
func New(dir string) *Folder { return &Folder{dir: dir, files: os.DirFS(dir)} }

// String returns the folder's path.
func (f *Folder) String() string { return f.dir }

// Open implements fs.FS.
func (f *Folder) Open(name string) (fs.File, error) {
	file, err := f.files.Open(name)
	return file, classed(err)
}

// ReadFile implements fs.ReadFileFS.
func (f *Folder) ReadFile(name string) ([]byte, error) {
	data, err := fs.ReadFile(f.files, name)
	return data, classed(err)
}

// ReadDir implements fs.ReadDirFS.
func (f *Folder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.files, name)
	return entries, classed(err)
}

// Stat implements fs.StatFS.
func (f *Folder) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(f.files, name)
	return info, classed(err)
}

// Path returns the path of a file of the folder.
func (f *Folder) Path(name string) (string, error) { return f.path("open", name) }

// path returns the path of a valid name.
func (f *Folder) path(op, name string) (string, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(f.dir, local), nil
}

// Init makes the folder and dirs in it, then the file marker. The folder may hold
// empty directories of these names and temporary files.
func (f *Folder) Init(marker string, data []byte, dirs ...string) (bool, error) {
	empty, err := f.isEmpty(dirs)
	if err != nil || !empty {
		return false, classed(err)
	}
	for _, name := range append([]string{"."}, dirs...) {
		path, err := f.path("mkdir", name)
		if err != nil {
			return false, err
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return false, classed(err)
		}
	}
	path, err := f.path("create", marker)
	if err != nil {
		return false, err
	}
	err = durable.Replace(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return err == nil, classed(err)
}

// isEmpty reports whether the folder is missing or holds only what Init allows.
func (f *Folder) isEmpty(dirs []string) (bool, error) {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	for _, e := range entries {
		if backend.IsTemporary(e.Name()) {
			continue
		}
		if !slices.Contains(dirs, e.Name()) {
			return false, nil
		}
		if inside, err := os.ReadDir(filepath.Join(f.dir, e.Name())); err != nil || len(inside) > 0 {
			return false, err
		}
	}
	return err == nil, err
}

// Changes reads the change counter. It returns 0 for a counter that cannot be read and 1 for
// one that is being written, so that the caller reads the files.
func (f *Folder) Changes() (uint64, error) {
	raw, err := os.ReadFile(filepath.Join(f.dir, changesName))
	if err != nil {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 1, nil
	}
	return n, nil
}
