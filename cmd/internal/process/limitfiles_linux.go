package process

import (
	"math"

	"golang.org/x/sys/unix"
)

const NoLimit = math.MaxUint64

// LimitFileSize lets a process write no file beyond so many bytes (RLIMIT_FSIZE): a
// write ends short there, and the next one fails.
func LimitFileSize(pid int, most uint64) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return err
	}
	limit.Cur = min(most, limit.Max)
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil)
}
