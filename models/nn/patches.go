package nn

import "eigenserve/runtime/kernel"

// Patches cuts images into the rows that a patch convolution reads, so that it
// runs as a Linear.
type Patches struct {
	Channels, Height, Width int // of an image
	PatchHeight, PatchWidth int // divide Height and Width
	Lead                    int // rows left zero before an image's patches, for tokens that are put there
}

// Tokens is the number of rows of one image, the lead included.
func (c Patches) Tokens() int {
	return c.Lead + c.Height/c.PatchHeight*(c.Width/c.PatchWidth)
}

// ImageLen is the number of values of one image.
func (c Patches) ImageLen() int { return c.Channels * c.Height * c.Width }

// Forward maps images (images, channels, height, width) to a new (images*tokens,
// channels*patch height*patch width), patches in reading order.
func (c Patches) Forward(p *Pass, images []float32) Rows {
	cols := c.Channels * c.PatchHeight * c.PatchWidth
	rows := p.Floats(p.images * c.Tokens() * cols)
	for i := range p.images {
		image := images[i*c.ImageLen() : (i+1)*c.ImageLen()]
		y := rows[i*c.Tokens()*cols : (i+1)*c.Tokens()*cols]
		clear(y[:c.Lead*cols])
		kernel.Im2Col(y[c.Lead*cols:], image, c.Channels, c.Height, c.Width, c.PatchHeight, c.PatchWidth)
	}
	return Float32s(rows, cols)
}
