package main

import (
	"math/rand/v2"
	"os"
	"regexp"

	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
	"eigenserve/store/zoo"
)

// A likeness is what a real family's coefficients are like, by the role that
// their layer plays: how many are not zero, where those lie among the
// directions, and how large they are. With it variants of another size are made
// up that take the share of bytes that real ones do.
type likeness struct {
	layers map[string]*roleLikeness
	all    *roleLikeness // of layers whose role the real family does not have
	vector *roleLikeness
}

type roleLikeness struct {
	nonzeros    []nonzero
	seen        float64 // numbers that a coefficient stands for, zero or not
	left, right []float32
}

// nonzero is a coefficient: its directions as shares of a side, and its value.
type nonzero struct {
	left, right float32
	q           int32
}

// embeddedLikeness is that of the embedded family.
func embeddedLikeness() (*likeness, error) {
	dir, err := os.MkdirTemp("", "eigenserve-likeness-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := store.Create(dir)
	if err != nil {
		return nil, err
	}
	if _, err := zoo.Install(s); err != nil {
		return nil, err
	}
	return likenessOf(s, s.Families()[0], 24)
}

// likenessOf looks at some of a family's variants, evenly picked.
func likenessOf(s *store.Store, f store.Family, most int) (*likeness, error) {
	b, err := s.OpenBasis(f.Basis)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	l := &likeness{layers: map[string]*roleLikeness{}, all: &roleLikeness{}, vector: &roleLikeness{}}
	variants := s.Variants()
	for i := range min(most, len(variants)) {
		v, err := s.ReadVariant(variants[i*len(variants)/min(most, len(variants))].Digest)
		if err != nil {
			return nil, err
		}
		if v.Basis != b.Digest {
			continue
		}
		if err := subspace.Visit(b, v, func(i int, c *rans.Sparse) error { l.addLayer(&b.Layers[i], c); return nil },
			func(_ int, q []int32) error { l.vector.addVector(q); return nil }); err != nil {
			return nil, err
		}
	}
	return l, nil
}

var numbers = regexp.MustCompile(`[0-9]+`)

// roleOf is a layer's name without its block's number.
func roleOf(layer string) string { return numbers.ReplaceAllString(layer, "*") }

func (l *likeness) addLayer(b *store.BasisLayer, c *rans.Sparse) {
	role := l.layers[roleOf(b.Name)]
	if role == nil {
		role = &roleLikeness{left: b.LeftScale, right: b.RightScale}
		l.layers[roleOf(b.Name)] = role
	}
	if l.all.left == nil {
		l.all.left, l.all.right = b.LeftScale, b.RightScale
	}
	p, q := b.Directions()
	for k, j := range c.Rights {
		for at := c.Starts[k]; at < c.Starts[k+1]; at++ {
			n := nonzero{float32(c.Lefts[at]) / float32(p), float32(j) / float32(q), c.Q[at]}
			role.nonzeros, l.all.nonzeros = append(role.nonzeros, n), append(l.all.nonzeros, n)
		}
	}
	role.seen += float64(b.Parameters())
	l.all.seen += float64(b.Parameters())
}

func (r *roleLikeness) addVector(q []int32) {
	for i, x := range q {
		if x != 0 {
			r.nonzeros = append(r.nonzeros, nonzero{left: float32(i) / float32(len(q)), q: x})
		}
	}
	r.seen += float64(len(q))
}

// of gives the likeness of a layer.
func (l *likeness) of(layer string) *roleLikeness {
	if r := l.layers[roleOf(layer)]; r != nil {
		return r
	}
	return l.all
}

// core makes up coefficients (q,p) of a tensor of so many numbers: as many in all
// as the real family's would have, whatever the number of directions; where two
// meet they add up.
func (r *roleLikeness) core(random *rand.Rand, numbers, p, q int) []int32 {
	out := make([]int32, p*q)
	if len(r.nonzeros) == 0 {
		return out
	}
	for range int(float64(numbers) * float64(len(r.nonzeros)) / r.seen) {
		n := r.nonzeros[random.IntN(len(r.nonzeros))]
		i := min(p-1, int((float64(n.left)+random.Float64()/float64(max(len(r.left), 1)))*float64(p)))
		j := min(q-1, int((float64(n.right)+random.Float64()/float64(max(len(r.right), 1)))*float64(q)))
		if random.IntN(2) == 0 {
			n.q = -n.q
		}
		out[j*p+i] += n.q
	}
	return out
}

// stretched reads a side's scales at as many directions as another has.
func stretched(scales []float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = scales[i*len(scales)/n]
	}
	return out
}
