package nn

// arena hands out float32s and takes them back in the reverse order. It grows by
// adding blocks, which leaves what it has handed out where it is, and becomes
// one block again at the next reset.
type arena struct {
	blocks [][]float32
	top    Mark
	peak   int  // the most float32s that were out at once
	hold   bool // Free takes nothing back
}

// Mark is a moment in a pass: Free gives back what was taken since.
type Mark struct {
	block, used int // the block in use and how much of it is
	out         int // float32s out in all
}

// minBlock keeps a growing arena from taking many small blocks.
const minBlock = 1 << 14

// Floats returns n float32s of undefined content, on a 64-byte line of the
// arena.
func (a *arena) Floats(n int) []float32 {
	for a.top.block < len(a.blocks) && aligned(n) > len(a.blocks[a.top.block])-a.top.used {
		a.top.block, a.top.used = a.top.block+1, 0
	}
	if a.top.block == len(a.blocks) {
		a.blocks = append(a.blocks, make([]float32, max(aligned(n), minBlock)))
	}
	from := a.top.used
	a.top.used += aligned(n)
	a.top.out += aligned(n)
	a.peak = max(a.peak, a.top.out)
	return a.blocks[a.top.block][from : from+n : from+n]
}

// Mark returns the present moment for Free.
func (a *arena) Mark() Mark { return a.top }

// Free takes back all that was handed out since the mark.
func (a *arena) Free(m Mark) {
	if !a.hold {
		a.top = m
	}
}

// Bytes is the memory that the arena holds, in use or not.
func (a *arena) Bytes() int {
	n := 0
	for _, b := range a.blocks {
		n += 4 * len(b)
	}
	return n
}

// reset takes back everything.
func (a *arena) reset() {
	a.top = Mark{}
	if len(a.blocks) > 1 {
		a.blocks = [][]float32{make([]float32, a.peak)}
	}
}
