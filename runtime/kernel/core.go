package kernel

// Core is a variant's core of one layer, scaled by its quantisation step: a sparse
// P×Q matrix in compressed sparse column form, without its empty columns.
//
// A column is a right direction and a row is a left direction. Rights lists the
// columns that have nonzeros, in ascending order. The nonzeros of column Rights[i]
// are Values[Starts[i]:Starts[i+1]], and Lefts has their rows at the same indices.
type Core struct {
	Rights []int32   // (columns)
	Starts []int32   // (columns+1), indices into Lefts and Values
	Lefts  []int32   // (nonzeros)
	Values []float32 // (nonzeros)
}

// check panics if the core does not fit the layer. It keeps the assembly, which
// checks no bounds, inside Left and Right.
func (c *Core) check(l *Layer) {
	if len(c.Starts) != len(c.Rights)+1 && len(c.Rights) > 0 || len(c.Rights) > l.Q {
		panic("kernel: Core: the lengths of Rights and Starts do not fit each other or the layer")
	}
	checkLen("Core: Values", len(c.Values), len(c.Lefts))
	last := int32(-1)
	for _, r := range c.Rights {
		if r <= last || int(r) >= l.Q {
			panic("kernel: Core: Rights do not ascend or are out of range")
		}
		last = r
	}
	for _, i := range c.Lefts {
		if uint(i) >= uint(l.P) {
			panic("kernel: Core: Lefts are out of range")
		}
	}
}

// column returns the rows and values of the nonzeros in column Rights[i].
func (c *Core) column(i int) (lefts []int32, values []float32) {
	from, to := c.Starts[i], c.Starts[i+1]
	return c.Lefts[from:to], c.Values[from:to]
}

// usedLefts collects the left directions that cores use. The zero value is empty.
type usedLefts struct {
	list  []int32
	marks []bool  // by left direction; all false between calls of add
	index []int32 // by left direction: its index in the list that add returned last
}

// add returns the left directions that a core uses, ascending; all are below p.
func (u *usedLefts) add(c *Core, p int) []int32 {
	if len(u.marks) < p {
		u.marks, u.index = make([]bool, p), make([]int32, p)
	}
	for _, i := range c.Lefts {
		u.marks[i] = true
	}
	from := len(u.list)
	for i, used := range u.marks[:p] {
		if used {
			u.index[i] = int32(len(u.list) - from)
			u.list = append(u.list, int32(i))
			u.marks[i] = false
		}
	}
	return u.list[from:len(u.list):len(u.list)]
}

// reset drops all lists and keeps their memory.
func (u *usedLefts) reset() { u.list = u.list[:0] }
