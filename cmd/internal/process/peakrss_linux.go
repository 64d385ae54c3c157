package process

import (
	"os"
	"syscall"
)

// peakRSS is the most bytes that a process which has ended had resident.
func peakRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
