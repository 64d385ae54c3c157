//go:build unix

package kernel

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has taken: on a machine busy
// with other work it tells what a kernel costs where the clock does not.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
