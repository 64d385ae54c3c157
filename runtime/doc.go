// Package runtime is the engine: it keeps the bases of a store's families in
// memory, holds every variant as coefficients, rebuilds a variant's weights into
// a byte-budgeted cache when a request needs them, runs the forward pass and
// accounts for every byte.
//
// It knows nothing of HTTP or of commands, and leaves mathematics to the store's
// and the kernel's packages. One Engine serves any number of goroutines.
package runtime
