package nn

import (
	goruntime "runtime"

	"golang.org/x/sync/errgroup"
)

// eachMost bounds what each runs at once, and with it the scratch that calls of a
// measurement take.
const eachMost = 16

// each calls f for 0 to n-1, several at once, and returns when all have returned.
// What the calls write must not overlap.
func each(n int, f func(i int)) {
	var group errgroup.Group
	group.SetLimit(min(eachMost, goruntime.GOMAXPROCS(0)))
	for i := range n {
		group.Go(func() error { f(i); return nil })
	}
	group.Wait()
}
