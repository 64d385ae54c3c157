package servertest

import "runtime/metrics"

// Allocated returns how many bytes were allocated since the program started. Other
// goroutines allocate meanwhile, a little.
func Allocated() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
