package fault

import goruntime "runtime"

// maxStack is the most bytes of a stack that an error carries.
const maxStack = 8 << 10

// Catch calls f and returns its error. A panic in f becomes an Internal error with the
// stack, so that it fails the work of f and not the process.
func Catch(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Recovered(p)
		}
	}()
	return f()
}

// Recovered returns the value of a recovered panic as an Internal error with the stack.
// It must be called by the deferred function that recovered it.
func Recovered(p any) *Error {
	stack := make([]byte, maxStack)
	return Errorf(Internal, "panic: %v\n%s", p, stack[:goruntime.Stack(stack, false)])
}
