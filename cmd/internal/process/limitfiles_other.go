//go:build !linux

package process

import (
	"errors"
	"math"
)

// NoLimit lets a process write files of any size.
const NoLimit = math.MaxUint64

// LimitFileSize returns an error: only Linux has prlimit.
func LimitFileSize(int, uint64) error {
	return errors.New("only Linux can limit the file size of another process")
}
