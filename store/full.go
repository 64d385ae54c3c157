package store

import (
	"errors"
	"slices"
)

// IsFull tells whether a change failed because the disk, a quota or a limit on
// the length of files left no room for it. It has then changed nothing.
func IsFull(err error) bool {
	return slices.ContainsFunc(noRoom[:], func(e error) bool { return errors.Is(err, e) })
}
