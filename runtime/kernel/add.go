package kernel

import "sync"

// Add adds x to dst, element by element. Long slices are spread over the cores.
func Add(dst, x []float32) {
	checkLen("Add: x", len(x), len(dst))
	if len(dst) < parallelElements {
		add(dst, x[:len(dst)])
		return
	}
	s := additions.Get().(*addition)
	*s = addition{dst: dst, x: x}
	run(s, (len(dst)+shareElements-1)/shareElements, workers)
	*s = addition{}
	additions.Put(s)
}

// An addition is one call of Add. Its units are shares of the slices.
type addition struct{ dst, x []float32 }

var additions = sync.Pool{New: func() any { return new(addition) }}

func (s *addition) unit(_, unit int) {
	from, to := unit*shareElements, min((unit+1)*shareElements, len(s.dst))
	add(s.dst[from:to], s.x[from:to])
}

func addGeneric(dst, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}
