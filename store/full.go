package store

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

// IsFull tells whether a change failed because the disk, a quota or a limit on
// the length of files left no room for it. It has then changed nothing.
func IsFull(err error) bool {
	return slices.ContainsFunc(noRoom[:], func(e error) bool { return errors.Is(err, e) })
}

// IsReadOnly tells whether something failed because the store's files may not be read or
// written. It has then changed nothing.
func IsReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
