//go:build !purego

package kernel

// combine runs combineGeneric on the level in use. The indices must be in range.
func combine(dst *[Panel]float32, from []float32, indices []int32, values []float32) {
	if isa == generic || len(indices) == 0 {
		combineGeneric(dst, from, indices, values)
	} else if isa >= avx512 {
		combineAVX512(&dst[0], &from[0], &indices[0], &values[0], len(indices))
	} else {
		combineAVX2(&dst[0], &from[0], &indices[0], &values[0], len(indices))
	}
}

// scatterAdd runs scatterAddGeneric on the level in use. The indices must be in range.
func scatterAdd(dst []float32, indices []int32, values []float32, from *[Panel]float32) {
	if isa == generic || len(indices) == 0 {
		scatterAddGeneric(dst, indices, values, from)
	} else if isa >= avx512 {
		scatterAddAVX512(&dst[0], &indices[0], &values[0], &from[0], len(indices))
	} else {
		scatterAddAVX2(&dst[0], &indices[0], &values[0], &from[0], len(indices))
	}
}

// gatherRows runs gatherRowsGeneric on the level in use. The indices must be in range.
func gatherRows(dst, from []uint16, indices []int32) {
	if isa == generic || len(indices) == 0 {
		gatherRowsGeneric(dst, from, indices)
		return
	}
	_ = dst[len(indices)*Panel-1]
	if isa >= avx512 {
		gatherRowsAVX512(&dst[0], &from[0], &indices[0], len(indices))
	} else {
		gatherRowsAVX2(&dst[0], &from[0], &indices[0], len(indices))
	}
}

// gatherColumns runs gatherColumnsGeneric on the level in use. The columns must ascend
// and be in range.
func gatherColumns(dst []uint16, ldd int, src []uint16, lds int, columns []int32, rows int) {
	if isa < avx512 || lds < Panel || len(columns) == 0 || rows == 0 {
		gatherColumnsGeneric(dst, ldd, src, lds, columns, rows)
		return
	}
	_, _ = dst[(rows-1)*ldd+Panel-1], src[rows*lds-1]
	m := newColumnMap(columns, lds)
	gatherColumnsAVX512(&dst[0], ldd, &src[0], lds, rows, &m)
}

// A columnMap describes how to gather up to 32 columns of a row: window i covers 32
// elements from start[i] on and provides the columns in mask[i], bit j for the j-th
// column; offset[j] is that column's offset in its window. The assembly reads it.
type columnMap struct {
	windows int
	offset  [Panel]uint16
	start   [Panel]int32
	mask    [Panel]uint32
}

// newColumnMap covers the columns with windows that lie within a row of the given
// width.
func newColumnMap(columns []int32, width int) (m columnMap) {
	for i, c := range columns {
		last := m.windows - 1
		if last < 0 || c >= m.start[last]+Panel {
			m.start[m.windows] = min(c, int32(width)-Panel)
			m.windows++
			last++
		}
		m.offset[i] = uint16(c - m.start[last])
		m.mask[last] |= 1 << i
	}
	return m
}

// prefetch prefetches data that will be read soon.
func prefetch(data []uint16) {
	if n := len(data) / Panel; n > 0 && isa > generic {
		prefetchLines(&data[0], n)
	}
}

// prefetchToWrite prefetches data that will be written soon, so that the stores find
// their cache lines.
func prefetchToWrite(data []uint16) {
	if n := len(data) / Panel; n > 0 && isa > generic {
		prefetchLinesToWrite(&data[0], n)
	}
}
