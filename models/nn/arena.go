package nn

// arena hands out float32s and takes them back in reverse order. It grows by adding
// blocks, so what it has handed out never moves; the next reset merges the blocks
// into one.
type arena struct {
	blocks [][]float32
	top    Mark
	peak   int  // the most float32s that were handed out at once
	retain bool // Free does nothing
}

// Mark is a moment in a pass. Free takes back what was handed out since.
type Mark struct {
	block, used int // the current block and the part of it that is handed out
	total       int // float32s handed out in all blocks
}

// minBlock keeps a growing arena from adding many small blocks.
const minBlock = 1 << 14

// Floats returns n float32s with undefined content, aligned to 64 bytes within the
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
	a.top.total += aligned(n)
	a.peak = max(a.peak, a.top.total)
	return a.blocks[a.top.block][from : from+n : from+n]
}

// Mark returns the current moment, to pass to Free.
func (a *arena) Mark() Mark { return a.top }

// Free takes back everything handed out since the mark.
func (a *arena) Free(m Mark) {
	if !a.retain {
		a.top = m
	}
}

// Bytes returns the memory that the arena holds, in use or not.
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
