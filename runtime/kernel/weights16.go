package kernel

// A stock is weights in 16 bits, from which the panels of a term are made as
// they are multiplied. It is panels, (panels, stride, 32), of all inputs or of
// some, or a matrix that holds each input's weights in a row.
type stock struct {
	data   []uint16
	half   Half
	stride int     // inputs in a panel; or a row of the matrix
	inputs []int32 // those of a panel that the term has; nil for all
	// columns of the matrix, ascending, that are the term's outputs; nil for panels
	columns []int32
}

// part is inputs k0 to k1 of a panel, (k1−k0, 32): where they lie, or gathered
// in the room.
func (s *stock) part(room []uint16, panel, k0, k1 int) []uint16 {
	part := room[:(k1-k0)*Panel]
	switch {
	case s.columns != nil:
		at := panel * Panel
		gather(part, Panel, s.data[k0*s.stride:], s.stride, s.columns[at:min(at+Panel, len(s.columns))], k1-k0)
	case s.inputs != nil:
		pick(part, s.data[panel*s.stride*Panel:], s.inputs[k0:k1])
	default:
		part = s.data[(panel*s.stride+k0)*Panel:][:len(part)]
	}
	return part
}

// convert rounds what is in another 16-bit format to BF16; dst may be src.
func convert(dst, src []uint16, h Half) {
	var wide [8 * Panel]float32
	for len(src) > 0 {
		n := min(len(src), len(wide))
		fromHalf(wide[:n], src[:n], h)
		toHalf(dst[:n], wide[:n], BF16)
		dst, src = dst[n:], src[n:]
	}
}
