package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget drops a file out of the system's cache, if it can be.
func forget(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
