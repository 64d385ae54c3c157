package nn

import "eigenserve/runtime/kernel"

// Group is a run of images in a batch that one variant answers.
type Group struct {
	Images  int // at least one
	Weights *Weights
}

// Pass is the state of one forward pass: which images meet which weights, and
// the memory for the activations. The zero value is ready for Begin. A Pass is
// kept and used again, so that passes of a size it has seen allocate nothing;
// it serves one pass at a time.
//
// In every layer's Forward the rows of an activation lie image by image, the
// same number for each, in the order of the groups. What Forward returns lies in
// the Pass and lasts until the next Begin, or the Free of an earlier Mark.
type Pass struct {
	arena
	groups  []Group
	images  int
	narrow  bool // activations that only products read are BF16
	answers [][]float32
	runs    []kernel.Group // of one factored layer
	tape    *Tape          // of a recorded pass, else nil
	charged int            // bytes, by the Pool that it belongs to
}

// Begin starts a pass over the groups, which are copied, and takes back all the
// memory of the one before.
func (p *Pass) Begin(groups ...Group) {
	p.reset()
	p.tape, p.hold = nil, false
	p.groups = append(p.groups[:0], groups...)
	p.answers = p.answers[:0]
	p.images, p.narrow = 0, isNarrow(groups)
	for _, g := range groups {
		p.images += g.Images
	}
}

// End lets go of the weights, so that a Pass at rest holds none.
func (p *Pass) End() {
	clear(p.groups[:cap(p.groups)])
	p.groups, p.images, p.tape = p.groups[:0], 0, nil
}

// Images is the number of images in all groups.
func (p *Pass) Images() int { return p.images }

// First gathers the first of each image's rows: of x (images*tokens, width) a
// copy (images, width).
func (p *Pass) First(x []float32, width int) []float32 {
	first := p.Floats(p.images * width)
	stride := len(x) / p.images
	for i := range p.images {
		copy(first[i*width:(i+1)*width], x[i*stride:])
	}
	if p.tape != nil {
		p.tape.first(first, x)
	}
	return first
}
