//go:build !unix

package kernel

import "time"

var started = time.Now()

// cpuTime is the clock where the processor's time is not to be had.
func cpuTime() time.Duration { return time.Since(started) }
