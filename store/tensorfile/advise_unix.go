//go:build unix

package tensorfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// madvise advises the system about the whole pages that hold mapping[from:end].
func madvise(mapping []byte, from, end int, what advice) {
	page := os.Getpagesize()
	from = from / page * page
	kind := unix.MADV_WILLNEED
	if what == dontNeed {
		kind = unix.MADV_DONTNEED
	}
	_ = unix.Madvise(mapping[from:end], kind) // only a hint
}
