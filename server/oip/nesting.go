package oip

// nesting checks that the arrays of a tensor's data are nested as its shape, or flat.
// Pixels in another layout would be as many numbers, and be read as another image.
type nesting struct {
	shape shape
	open  []int64 // how many elements each open array has so far, the outermost first
	flat  bool    // the outermost array has all the numbers
}

// bracket opens an array or closes one, and reports whether that is allowed here.
func (n *nesting) bracket(opens bool) bool {
	depth := len(n.open)
	if opens {
		if depth > 0 {
			n.open[depth-1]++
		}
		n.open = append(n.open, 0)
		return depth < len(n.shape) && !n.flat
	}
	count := n.open[depth-1]
	n.open = n.open[:depth-1]
	return n.flat || count == n.shape[depth-1] || depth == 1 && count == 0 // an empty array has too few numbers, which is reported as such
}

// number counts a number, and reports whether it is allowed here.
func (n *nesting) number() bool {
	depth := len(n.open)
	if depth == 1 && n.open[0] == 0 {
		n.flat = true
	}
	n.open[depth-1]++
	return n.flat || depth == len(n.shape)
}
