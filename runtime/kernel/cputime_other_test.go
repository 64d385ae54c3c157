//go:build !unix

package kernel

import "time"

var started = time.Now()

// cpuTime returns the time since the start, for lack of the processor time.
func cpuTime() time.Duration { return time.Since(started) }
