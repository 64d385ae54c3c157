package kernel

// combineGeneric sets dst to Σ values[i] · from[indices[i]], where from has rows of 32.
func combineGeneric(dst *[Panel]float32, from []float32, indices []int32, values []float32) {
	*dst = [Panel]float32{}
	values = values[:len(indices)]
	for i, at := range indices {
		v := values[i]
		for j, f := range (*[Panel]float32)(from[int(at)*Panel:]) {
			dst[j] += v * f
		}
	}
}

// scatterAddGeneric adds values[i] · from to dst[indices[i]], where dst has rows of 32.
func scatterAddGeneric(dst []float32, indices []int32, values []float32, from *[Panel]float32) {
	values = values[:len(indices)]
	for i, at := range indices {
		v := values[i]
		row := (*[Panel]float32)(dst[int(at)*Panel:])
		for j, f := range from {
			row[j] += v * f
		}
	}
}

// gatherRowsGeneric copies from[indices[i]] to dst[i], rows of 32.
func gatherRowsGeneric(dst, from []uint16, indices []int32) {
	for i, at := range indices {
		copy(dst[i*Panel:][:Panel], from[int(at)*Panel:])
	}
}

// gatherColumnsGeneric copies the given columns of src (rows, lds), at most 32, to
// the first columns of dst, (rows, 32) with row stride ldd, and zeroes the others.
func gatherColumnsGeneric(dst []uint16, ldd int, src []uint16, lds int, columns []int32, rows int) {
	for r := range rows {
		to, from := dst[r*ldd:][:Panel], src[r*lds:][:lds]
		for j, c := range columns {
			to[j] = from[c]
		}
		clear(to[len(columns):])
	}
}
