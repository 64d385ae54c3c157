package serving

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCached drops a file from the page cache, if possible.
func dropCached(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
