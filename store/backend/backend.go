// Package backend defines the operations that a store needs of the place where its files
// are: a local folder (package folder) or, in the same terms, an object store with
// conditional writes. Package backendtest is the test that every implementation must pass.
//
// A backend knows names, bytes and locks. It does not know what the files mean.
package backend

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// Backend provides access to the files of one store. Many goroutines may use it at once,
// and several Backends, in one process or in several, may share a place.
//
// Names are those of io/fs: slash-separated, without "." and ".." elements, "." for the
// root. A file is either immutable, so that every Put of its name writes the same bytes,
// or small and replaced under a lock. Directories need not exist as such: a name implies
// the directories above it.
type Backend interface {
	// FS reads files. A read that begins after a Put or Delete has returned sees its
	// effect, also through another Backend of the place. A missing file is
	// fs.ErrNotExist, an invalid name is fs.ErrInvalid. Implementations should also
	// implement fs.ReadFileFS, fs.ReadDirFS and fs.StatFS if that saves work.
	fs.FS

	// String returns the place in the form in which a user writes it.
	String() string

	// Path returns the path of a local file with the content of name, for mapping it into
	// memory. name is an immutable file. If there is no such file, Path or opening the
	// path fails with fs.ErrNotExist.
	Path(name string) (string, error)

	// Init makes dirs and then writes data to the file marker, if the place is empty, and
	// reports whether it did. A place with the remains of an interrupted Init counts as
	// empty. If the place holds anything else, Init changes nothing.
	Init(marker string, data []byte, dirs ...string) (bool, error)

	// Changes returns the number last set with Lock.SetChanges, 0 if there is none. It is
	// cheap enough to be called every second.
	Changes() (uint64, error)

	// Lock acquires the exclusive right to change the files under a directory, which need
	// not exist; "." is the whole place. It waits at most wait for another holder of the
	// same lock, or tries once if wait is 0, and then fails with ErrLocked. The lock of a
	// process that ends is released.
	Lock(dir string, wait time.Duration) (Lock, error)

	// Locked reports whether the lock of a directory is held, or may be held.
	Locked(dir string) bool
}

// Lock is the exclusive right to change the files under a directory. Several goroutines
// may use it at once. A name outside of the directory is fs.ErrInvalid.
//
// After Unlock, or if the lock was lost to another holder, its methods change nothing and
// return ErrLockLost.
type Lock interface {
	// Put makes name hold what write writes. A reader sees the old content or the new,
	// whole. Once Put has returned nil, the new content survives a crash. After an error
	// name holds one of the two.
	Put(name string, write func(io.Writer) error) error

	// Delete removes a file. Once it has returned nil, a crash does not bring the
	// file back. A missing file is fs.ErrNotExist.
	Delete(name string) error

	// Discard removes a file, or a directory with everything under it, if it exists. It
	// does not wait until this is durable, so a crash may bring back what was removed.
	// Discarding the locked directory also unlocks it.
	Discard(name string) error

	// SetChanges sets the number that Changes returns. It need not survive a crash of the
	// system. It is allowed only under the lock of the whole place.
	SetChanges(n uint64) error

	// Unlock releases the lock. Unlocking twice is harmless.
	Unlock() error
}

// The errors of backends match these, or fs.ErrNotExist or fs.ErrInvalid.
var (
	// ErrLocked means that another holder kept the lock for too long.
	ErrLocked = errors.New("locked by another process")
	// ErrLockLost means that the lock for a change is no longer held.
	ErrLockLost = errors.New("the lock is no longer held")
	// ErrFull means that there is no space for a write.
	ErrFull = errors.New("no space left")
	// ErrDenied means that the operation is not permitted, or that the place is
	// read-only.
	ErrDenied = errors.New("permission denied")
	// ErrUnavailable means that a file cannot be read now for a reason that is not its
	// own, such as a limit on open files. The file may be intact.
	ErrUnavailable = errors.New("unavailable")
)

// IsTemporary reports whether a file with this name, without its directory, was left behind by
// an interrupted Put. Such files are never read.
func IsTemporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp")
}
