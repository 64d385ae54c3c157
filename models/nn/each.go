package nn

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
)

// eachMost bounds what each runs at once, and with it the scratch that calls of a
// measurement take.
const eachMost = 16

// each calls f for 0 to n-1, several at once, and returns when all have returned.
// What the calls write must not overlap.
func each(n int, f func(i int)) {
	most := min(n, eachMost, goruntime.GOMAXPROCS(0))
	if most <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range most {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
