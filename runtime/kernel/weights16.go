package kernel

// weights16 are weights stored in 16 bits, which a product converts panel by panel
// as it multiplies them. They lie in panels, [panels][stride][32], of which all
// inputs or a subset are used; or in a matrix (inputs, stride), of which a subset of
// the columns are the outputs.
type weights16 struct {
	data    []uint16
	format  Format
	stride  int     // inputs in a panel; or elements in a row of the matrix
	inputs  []int32 // the inputs of a panel that are used; nil for all
	columns []int32 // the columns of the matrix that are used, ascending; nil for panels
}

// part returns inputs k0 to k1 of a panel, (k1−k0, 32): a view of the data, or a
// copy gathered in buf.
func (w *weights16) part(buf []uint16, panel, k0, k1 int) []uint16 {
	part := buf[:(k1-k0)*Panel]
	switch {
	case w.columns != nil:
		at := panel * Panel
		gatherColumns(part, Panel, w.data[k0*w.stride:], w.stride, w.columns[at:min(at+Panel, len(w.columns))], k1-k0)
	case w.inputs != nil:
		gatherRows(part, w.data[panel*w.stride*Panel:], w.inputs[k0:k1])
	default:
		part = w.data[(panel*w.stride+k0)*Panel:][:len(part)]
	}
	return part
}

// convertToBF16 rounds src, in another 16-bit format, to BF16; dst may be src.
func convertToBF16(dst, src []uint16, from Format) {
	var f32 [8 * Panel]float32
	for len(src) > 0 {
		n := min(len(src), len(f32))
		fromFloat16(f32[:n], src[:n], from)
		toFloat16(dst[:n], f32[:n], BF16)
		dst, src = dst[n:], src[n:]
	}
}
