package process

import (
	"os"
	"syscall"
)

// peakRSS returns the largest resident set, in bytes, of a process that has ended.
func peakRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
