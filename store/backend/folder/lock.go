package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"eigenserve/store/backend"
	"eigenserve/store/durable"
)

// lock is the lock of a directory, held on the file lockName in it.
type lock struct {
	folder *Folder
	dir    string // name of the locked directory
	file   *flock.Flock
}

// Lock locks a directory. One below the root is made if it does not exist.
func (f *Folder) Lock(dir string, wait time.Duration) (backend.Lock, error) {
	path, err := f.path("lock", dir)
	if err != nil {
		return nil, err
	}
	if dir != "." {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, classed(err)
		}
	}
	file := flock.New(filepath.Join(path, lockName))
	if err := acquire(file, wait); err != nil {
		return nil, classed(err)
	}
	return &lock{folder: f, dir: dir, file: file}, nil
}

// retryLock is the interval of attempts to acquire a lock.
const retryLock = 5 * time.Millisecond

// acquire locks a file, or fails with backend.ErrLocked after wait.
func acquire(file *flock.Flock, wait time.Duration) error {
	if wait <= 0 {
		free, err := file.TryLock()
		if err == nil && !free {
			err = backend.ErrLocked
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	_, err := file.TryLockContext(ctx, retryLock)
	if errors.Is(err, context.DeadlineExceeded) {
		return backend.ErrLocked
	}
	return err
}

// Locked reports whether the lock of a directory is held. A directory without a lock file has
// never been locked.
func (f *Folder) Locked(dir string) bool {
	path, err := f.path("lock", dir)
	if err != nil {
		return false
	}
	path = filepath.Join(path, lockName)
	if isMissing(path) {
		return false
	}
	file := flock.New(path)
	defer file.Close()
	free, err := file.TryLock()
	return err != nil || !free
}

// path returns the path of a name, if the lock is held and allows changing it.
func (l *lock) path(op, name string) (string, error) {
	if !l.file.Locked() {
		return "", fmt.Errorf("%s %q: %w", op, name, backend.ErrLockLost)
	}
	if l.dir != "." && name != l.dir && !strings.HasPrefix(name, l.dir+"/") {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return l.folder.path(op, name)
}

// Put replaces a file. It makes the file's directory if only that is missing.
func (l *lock) Put(name string, write func(io.Writer) error) error {
	file, err := l.path("write", name)
	if err != nil {
		return err
	}
	if dir := filepath.Dir(file); isMissing(dir) {
		if err := durable.Mkdir(dir); err != nil {
			return classed(err)
		}
	}
	return classed(durable.Replace(file, write))
}

// isMissing reports whether there is no file at path.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Delete removes a file and syncs its directory.
func (l *lock) Delete(name string) error {
	path, err := l.path("remove", name)
	if err != nil {
		return err
	}
	return classed(durable.Remove(path))
}

// Discard removes a file or a directory. With the locked directory it also removes the
// directory above, if that is then empty.
func (l *lock) Discard(name string) error {
	path, err := l.path("remove", name)
	if err != nil {
		return err
	}
	if name != l.dir {
		return classed(os.RemoveAll(path))
	}
	if name == "." {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrInvalid}
	}
	l.file.Close() // Windows does not remove a file that is open
	if err := os.RemoveAll(path); err != nil {
		return classed(err)
	}
	os.Remove(filepath.Dir(path))
	return nil
}

// SetChanges overwrites the change counter in place. It does not sync it, since after a crash
// of the system no process has an older catalogue in memory.
func (l *lock) SetChanges(n uint64) error {
	if l.dir != "." {
		return &fs.PathError{Op: "write", Path: changesName, Err: fs.ErrInvalid}
	}
	path, err := l.path("write", changesName)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return classed(err)
	}
	_, err = fmt.Fprintf(f, "%020d\n", n)
	return classed(errors.Join(err, f.Close()))
}

// Unlock releases the lock. The lock file stays.
func (l *lock) Unlock() error { return classed(l.file.Close()) }
