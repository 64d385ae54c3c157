package kernel

import "fmt"

// checkLen panics if a slice is too short.
func checkLen(what string, have, need int) {
	if have < need {
		panic(fmt.Sprintf("kernel: %s has %d elements, needs %d", what, have, need))
	}
}

// checkMatrix panics if a slice of the given length is too short for (rows, cols)
// with a row stride.
func checkMatrix(what string, have, stride, rows, cols int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	if stride < cols {
		panic(fmt.Sprintf("kernel: %s has row stride %d, less than its %d columns", what, stride, cols))
	}
	checkLen(what, have, (rows-1)*stride+cols)
}
