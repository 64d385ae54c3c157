// Package backend defines what a store asks of the place that keeps its files.
// Package folder implements it for a local folder; an object store with conditional
// writes can implement it too. Package backendtest is the test that every
// implementation must pass.
//
// A backend knows names, bytes and locks. What the files mean is the store's business.
package backend

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// Backend gives access to the files of one store. It is used by many goroutines at
// once, and any number of Backends, in one process or in several, may share a place.
//
// Names are those of io/fs: slash-separated, without "." and ".." elements, "." for
// the root. A file is either immutable, so that a Put of the same name always writes
// the same bytes, or small and replaced under a lock. Directories need not exist as
// such: a name implies those above it.
type Backend interface {
	// FS reads files. A read that begins after a Put or Delete has returned, through
	// whichever Backend of the place, finds what that one left. A missing file is
	// fs.ErrNotExist, a name that is not valid is fs.ErrInvalid. Implementations
	// should also be an fs.ReadFileFS, an fs.ReadDirFS and an fs.StatFS where that
	// saves work.
	fs.FS

	// String returns the place as a user would write it.
	String() string

	// Path returns the path of a local file with the content of name, to be mapped
	// into memory. The name is that of an immutable file. If there is no such file,
	// the error, or that of opening the path, is fs.ErrNotExist.
	Path(name string) (string, error)

	// Init makes dirs and then writes data to the file marker, if the place is empty.
	// It reports whether it did. What an Init that was cut off left behind counts as
	// empty. In a place that holds anything else Init changes nothing.
	Init(marker string, data []byte, dirs ...string) (bool, error)

	// Changes returns the number last given to SetChanges by a Lock of this place,
	// and 0 if there was none. It is cheap enough to be called every second.
	Changes() (uint64, error)

	// Lock waits at most wait for the exclusive right to change what lies under a
	// directory, which need not exist; "." is the whole place. With no wait it tries
	// once. It fails with ErrLocked if somebody else holds the lock all that time. A
	// lock does not outlive the process that holds it.
	Lock(dir string, wait time.Duration) (Lock, error)

	// Locked reports whether somebody holds the lock of a directory, or may hold it.
	Locked(dir string) bool
}

// Lock is the exclusive right to change the files under a directory. Several goroutines
// may use it at once. A name outside of the directory is fs.ErrInvalid.
//
// Once a Lock is unlocked, or was lost to somebody else, its methods change nothing
// and return ErrLockLost.
type Lock interface {
	// Put makes name hold what write writes. A reader finds the old content or the
	// new, whole. Once Put has returned nil, the new content survives a crash; after
	// an error name holds either of the two.
	Put(name string, write func(io.Writer) error) error

	// Delete removes a file. Once it has returned nil, a crash does not bring the
	// file back. A missing file is fs.ErrNotExist.
	Delete(name string) error

	// Discard removes a file, or a directory with all that lies under it, if it is
	// there. It does not wait for the disk: a crash may bring back what was removed.
	// Discarding the lock's own directory also unlocks.
	Discard(name string) error

	// SetChanges sets the number that Changes returns. It need not survive a crash
	// of the whole system. The lock is that of the whole place.
	SetChanges(n uint64) error

	// Unlock releases the lock. Unlocking twice is harmless.
	Unlock() error
}

// Errors of backends match these, beside fs.ErrNotExist and fs.ErrInvalid.
var (
	// ErrLocked is returned where another lock is held for too long.
	ErrLocked = errors.New("locked by another process")
	// ErrLockLost is returned for a change under a lock that is no longer held.
	ErrLockLost = errors.New("the lock is no longer held")
	// ErrFull is returned where there is no room for a write.
	ErrFull = errors.New("no space left")
	// ErrDenied is returned where the place does not allow the operation: it is
	// read-only, or the user lacks the permission.
	ErrDenied = errors.New("permission denied")
	// ErrUnavailable is returned where a file cannot be read for a reason that lies
	// elsewhere, such as a limit on open files: the file itself may be sound.
	ErrUnavailable = errors.New("unavailable")
)

// IsTemporary reports whether a file of this name, without its directory, is what a
// Put that was cut off left behind. Nobody reads such a file.
func IsTemporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp")
}
