// Package learn makes families: it fits a basis to checkpoints, stores each of them as
// a variant through the gate, and refits a family when more are known. What a fit has
// finished is kept in the store, so that a fit that was interrupted continues.
//
// The package works on a store alone. It never opens a serving engine; a server that
// has the store open picks up the changes.
package learn

import (
	goruntime "runtime"

	"eigenserve/runtime/fault"
)

// parallel is the number of goroutines that one computation runs on.
var parallel = goruntime.GOMAXPROCS(0)

// refused returns an error of code Refused.
func refused(format string, args ...any) error {
	return fault.Errorf(fault.Refused, format, args...)
}
