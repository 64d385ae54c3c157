package kernel

import "unsafe"

// asUint16s returns a view of x as twice as many uint16s.
func asUint16s(x []float32) []uint16 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&x[0])), 2*len(x))
}

// asFloat32s returns a view of x, which must be aligned for a float32, as half as many
// float32s.
func asFloat32s(x []uint16) []float32 {
	if len(x) < 2 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), len(x)/2)
}
