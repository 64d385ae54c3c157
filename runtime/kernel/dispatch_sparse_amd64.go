//go:build !purego

package kernel

// combine sets dst to the sum of from's rows (32 wide) at places, which are in
// range, each times its value.
func combine(dst *[Panel]float32, from []float32, places []int32, values []float32) {
	if isa == generic || len(places) == 0 {
		combineGeneric(dst, from, places, values)
	} else if isa >= avx512 {
		combineAVX512(&dst[0], &from[0], &places[0], &values[0], len(places))
	} else {
		combineAVX2(&dst[0], &from[0], &places[0], &values[0], len(places))
	}
}

// scatter adds from, each time times the value, to dst's rows (32 wide) at
// places, which are in range.
func scatter(dst []float32, places []int32, values []float32, from *[Panel]float32) {
	if isa == generic || len(places) == 0 {
		scatterGeneric(dst, places, values, from)
	} else if isa >= avx512 {
		scatterAVX512(&dst[0], &places[0], &values[0], &from[0], len(places))
	} else {
		scatterAVX2(&dst[0], &places[0], &values[0], &from[0], len(places))
	}
}

// pick copies from's rows (32 wide) at places, which are in range, to dst.
func pick(dst, from []uint16, places []int32) {
	if isa == generic || len(places) == 0 {
		pickGeneric(dst, from, places)
		return
	}
	_ = dst[len(places)*Panel-1]
	if isa >= avx512 {
		pickAVX512(&dst[0], &from[0], &places[0], len(places))
	} else {
		pickAVX2(&dst[0], &from[0], &places[0], len(places))
	}
}

// gather writes the named columns of src (rows, lds), at most 32, ascending and
// in range, side by side to dst (rows, 32) with row stride ldd, and zeros beside
// them.
func gather(dst []uint16, ldd int, src []uint16, lds int, cols []int32, rows int) {
	if isa < avx512 || lds < Panel || len(cols) == 0 || rows == 0 {
		gatherGeneric(dst, ldd, src, lds, cols, rows)
		return
	}
	_, _ = dst[(rows-1)*ldd+Panel-1], src[rows*lds-1]
	c := windows(cols, lds)
	gatherAVX512(&dst[0], ldd, &src[0], lds, rows, &c)
}

// columns says how to pick up to 32 columns of a row: from each of some windows
// of 32 elements those of its mask, from their places in it.
type columns struct {
	windows int
	place   [Panel]uint16
	start   [Panel]int32
	mask    [Panel]uint32
}

// windows covers the columns with windows that lie within the row.
func windows(cols []int32, width int) (c columns) {
	for i, col := range cols {
		last := c.windows - 1
		if last < 0 || col >= c.start[last]+Panel {
			c.start[c.windows] = min(col, int32(width)-Panel)
			c.windows++
			last++
		}
		c.place[i] = uint16(col - c.start[last])
		c.mask[last] |= 1 << i
	}
	return c
}

// prefetch asks for what will be read soon; it changes nothing.
func prefetch(data []uint16) {
	if n := len(data) / Panel; n > 0 && isa > generic {
		prefetchLines(&data[0], n)
	}
}

// prefetchToWrite asks for what will be written soon, so that the stores find
// their cache lines; it changes nothing.
func prefetchToWrite(data []uint16) {
	if n := len(data) / Panel; n > 0 && isa > generic {
		prefetchLinesToWrite(&data[0], n)
	}
}
