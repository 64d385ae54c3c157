package nn

import "eigenserve/runtime/kernel"

// Patches cuts images into the rows that a patch convolution reads, so that the
// convolution runs as a Linear.
type Patches struct {
	Channels, Height, Width int // of an image
	PatchHeight, PatchWidth int // divide Height and Width
	Lead                    int // zero rows before the patches of an image, for class tokens
}

// Rows returns the number of rows of one image, the lead included.
func (c Patches) Rows() int {
	return c.Lead + c.Height/c.PatchHeight*(c.Width/c.PatchWidth)
}

// Forward maps the pixels of each input, (channels, height, width), to new rows
// (inputs*c.Rows(), channels*patch height*patch width), with patches in reading order.
func (c Patches) Forward(p *Pass, inputs []Input) Rows {
	cols := c.Channels * c.PatchHeight * c.PatchWidth
	rows := p.Floats(len(inputs) * c.Rows() * cols)
	for i, in := range inputs {
		y := rows[i*c.Rows()*cols : (i+1)*c.Rows()*cols]
		clear(y[:c.Lead*cols])
		kernel.Im2Col(y[c.Lead*cols:], in.Pixels, c.Channels, c.Height, c.Width, c.PatchHeight, c.PatchWidth)
	}
	return Float32s(rows, cols)
}
