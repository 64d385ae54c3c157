package process

import (
	"math"

	"golang.org/x/sys/unix"
)

// NoLimit lets a process write files of any size.
const NoLimit = math.MaxUint64

// LimitFileSize stops a process from writing a file beyond a size in bytes
// (RLIMIT_FSIZE): a write ends short at the limit, and the next one fails.
func LimitFileSize(pid int, size uint64) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
}
