package kernel

// combineGeneric sets dst to the sum of from's rows (32 wide) at places, each
// times its value.
func combineGeneric(dst *[Panel]float32, from []float32, places []int32, values []float32) {
	*dst = [Panel]float32{}
	values = values[:len(places)]
	for i, p := range places {
		v := values[i]
		for j, f := range (*[Panel]float32)(from[int(p)*Panel:]) {
			dst[j] += v * f
		}
	}
}

// scatterGeneric adds from, each time times the value, to dst's rows (32 wide)
// at places.
func scatterGeneric(dst []float32, places []int32, values []float32, from *[Panel]float32) {
	values = values[:len(places)]
	for i, p := range places {
		v := values[i]
		row := (*[Panel]float32)(dst[int(p)*Panel:])
		for j, f := range from {
			row[j] += v * f
		}
	}
}

// pickGeneric copies from's rows (32 wide) at places to dst.
func pickGeneric(dst, from []uint16, places []int32) {
	for i, p := range places {
		copy(dst[i*Panel:][:Panel], from[int(p)*Panel:])
	}
}

// gatherGeneric writes the named columns, 32 at most, of src (rows, lds) side by
// side to dst (rows, 32) with row stride ldd, and zeros beside them.
func gatherGeneric(dst []uint16, ldd int, src []uint16, lds int, columns []int32, rows int) {
	for r := range rows {
		to, from := dst[r*ldd:][:Panel], src[r*lds:][:lds]
		for j, c := range columns {
			to[j] = from[c]
		}
		clear(to[len(columns):])
	}
}
