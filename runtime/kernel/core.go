package kernel

// Core is a variant's core of one layer: its nonzeros, already times the step,
// grouped by right direction. Right direction Rights[i] is joined to the left
// ones Lefts[Starts[i]:Starts[i+1]], with the Values at the same places. Rights
// ascend.
type Core struct {
	Rights []int32
	Starts []int32 // (len(Rights)+1)
	Lefts  []int32
	Values []float32
}

// checkCore keeps assembly, which checks no bounds, inside Left and Right.
func checkCore(l *Layer, c *Core) {
	if len(c.Starts) != len(c.Rights)+1 && len(c.Rights) > 0 || len(c.Rights) > l.Q {
		panic("kernel: Core: Rights and Starts do not fit the layer or each other")
	}
	checkLen("Core: Values", len(c.Values), len(c.Lefts))
	last := int32(-1)
	for _, r := range c.Rights {
		if r <= last || int(r) >= l.Q {
			panic("kernel: Core: right directions that do not ascend, or one that the layer does not have")
		}
		last = r
	}
	for _, i := range c.Lefts {
		if uint(i) >= uint(l.P) {
			panic("kernel: Core: a left direction that the layer does not have")
		}
	}
}

// nonzeros are the left directions that the core joins to its right i, and the
// values.
func (c *Core) nonzeros(i int) (lefts []int32, values []float32) {
	from, to := c.Starts[i], c.Starts[i+1]
	return c.Lefts[from:to], c.Values[from:to]
}

// directions lists the left directions that cores use; the zero value is ready.
type directions struct {
	list   []int32
	marks  []bool  // by left direction; all false between cores
	places []int32 // by left direction: where the last list has it
}

// used lists a core's left directions, ascending, below p.
func (d *directions) used(c *Core, p int) []int32 {
	if len(d.marks) < p {
		d.marks, d.places = make([]bool, p), make([]int32, p)
	}
	for _, i := range c.Lefts {
		d.marks[i] = true
	}
	from := len(d.list)
	for i, used := range d.marks[:p] {
		if used {
			d.places[i] = int32(len(d.list) - from)
			d.list = append(d.list, int32(i))
			d.marks[i] = false
		}
	}
	return d.list[from:len(d.list):len(d.list)]
}

// reset forgets the lists, whose memory is used again.
func (d *directions) reset() { d.list = d.list[:0] }
