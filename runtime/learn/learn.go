// Package learn makes families. It fits a basis to checkpoints, stores each checkpoint as
// a variant through the gate, and refits a family to other checkpoints. The finished
// parts of a fit are kept in the store, so that an interrupted fit can continue.
//
// The package works on a store alone and never opens a serving engine. A server that has
// the store open picks up the changes.
package learn

import (
	goruntime "runtime"

	"eigenserve/runtime/fault"
)

// parallel is the number of goroutines of one computation.
var parallel = goruntime.GOMAXPROCS(0)

// refused returns an error of code Refused.
func refused(format string, args ...any) error {
	return fault.Errorf(fault.Refused, format, args...)
}
