package nn

import (
	goruntime "runtime"

	"golang.org/x/sync/errgroup"
)

// maxParallel bounds the calls that parallel runs at once, and with them the scratch
// that they hold.
const maxParallel = 16

// parallel calls f for 0 to n-1, several at once, and returns when all calls have
// returned. They must not write to the same memory.
func parallel(n int, f func(i int)) {
	var group errgroup.Group
	group.SetLimit(min(maxParallel, goruntime.GOMAXPROCS(0)))
	for i := range n {
		group.Go(func() error { f(i); return nil })
	}
	group.Wait()
}
