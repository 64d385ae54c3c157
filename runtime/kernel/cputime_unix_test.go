//go:build unix

package kernel

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has used. Unlike the clock, it
// measures a kernel's cost even on a machine that is busy with other work.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
