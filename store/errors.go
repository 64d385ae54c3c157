package store

import (
	"errors"
	"io/fs"
	"syscall"

	"eigenserve/store/backend"
)

var (
	// ErrFormat marks a file of another format, of a future version, or with a shape
	// or number that is not allowed.
	ErrFormat = errors.New("bad file")
	// ErrDigest marks a file whose bytes do not have the digest that names it.
	ErrDigest = errors.New("damaged file")
	// ErrDamaged marks a name whose pointer file cannot be read.
	ErrDamaged = errors.New("damaged pointer")
	// ErrBasis marks a variant that refers to another basis.
	ErrBasis = errors.New("other basis")
	// ErrNotFound marks a family, variant or file that the store does not hold.
	ErrNotFound = errors.New("not found")
	// ErrName marks a name that is not allowed.
	ErrName = errors.New("bad name")
	// ErrInUse marks a change that an alias forbids, or a name that is taken.
	ErrInUse = errors.New("in use")
	// ErrChanged marks a version that is no longer the current one.
	ErrChanged = errors.New("replaced or removed meanwhile")
	// ErrAlias marks an alias whose targets are not allowed.
	ErrAlias = errors.New("bad alias")
	// ErrNoStore marks a folder that is not a store.
	ErrNoStore = errors.New("not a store")
	// ErrLocked marks a change that waited too long for another process.
	ErrLocked = backend.ErrLocked
)

// IsFull reports whether a change failed because the disk, a quota or a limit on the
// size of files leaves no room. Such a change has changed nothing.
func IsFull(err error) bool { return errors.Is(err, backend.ErrFull) }

// IsReadOnly reports whether something failed because the store's files may not be
// read or written. Nothing was changed.
func IsReadOnly(err error) bool {
	// A file that is mapped is opened by its path, so its errors are the system's own.
	return errors.Is(err, backend.ErrDenied) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
