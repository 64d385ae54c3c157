package serving

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCached drops a file out of the system's cache, if it can be.
func dropCached(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
