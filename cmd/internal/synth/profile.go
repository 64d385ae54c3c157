package synth

import (
	"math/rand/v2"
	"os"
	"regexp"

	"eigenserve/store"
	"eigenserve/store/code"
	"eigenserve/store/subspace"
	"eigenserve/store/zoo"
)

// A likeness is what a real family's coefficients are like, by the role that
// their layer plays: how many are not zero, where those lie among the
// directions, and how large they are. With it variants of another size are made
// up that take the share of bytes that real ones do.
type Profile struct {
	layers  map[string]*roleProfile
	anyRole *roleProfile // of layers whose role the real family does not have
	vector  *roleProfile
}

type roleProfile struct {
	nonzeros    []coefficient
	total       float64 // numbers that a coefficient stands for, zero or not
	left, right []float32
}

// coefficient is a coefficient: its directions as shares of a side, and its value.
type coefficient struct {
	left, right float32
	q           int32
}

// EmbeddedProfile is that of the embedded family.
func EmbeddedProfile() (*Profile, error) {
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
	return profileOf(s, s.Families()[0], 24)
}

// profileOf looks at some of a family's variants, evenly picked.
func profileOf(s *store.Store, f store.Family, most int) (*Profile, error) {
	b, err := s.OpenBasis(f.Basis)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	l := &Profile{layers: map[string]*roleProfile{}, anyRole: &roleProfile{}, vector: &roleProfile{}}
	variants := s.Variants()
	for i := range min(most, len(variants)) {
		v, err := s.ReadVariant(variants[i*len(variants)/min(most, len(variants))].Digest)
		if err != nil {
			return nil, err
		}
		if v.Basis != b.Digest {
			continue
		}
		if err := subspace.Visit(b, v, func(i int, c *code.Sparse) error { l.addLayer(&b.Layers[i], c); return nil },
			func(_ int, q []int32) error { l.vector.addVector(q); return nil }); err != nil {
			return nil, err
		}
	}
	return l, nil
}

var numbers = regexp.MustCompile(`[0-9]+`)

// roleOf is a layer's name without its block's number.
func roleOf(layer string) string { return numbers.ReplaceAllString(layer, "*") }

func (l *Profile) addLayer(b *store.BasisLayer, c *code.Sparse) {
	role := l.layers[roleOf(b.Name)]
	if role == nil {
		role = &roleProfile{left: b.LeftScale, right: b.RightScale}
		l.layers[roleOf(b.Name)] = role
	}
	if l.anyRole.left == nil {
		l.anyRole.left, l.anyRole.right = b.LeftScale, b.RightScale
	}
	p, q := b.Directions()
	for k, j := range c.Rights {
		for at := c.Starts[k]; at < c.Starts[k+1]; at++ {
			n := coefficient{float32(c.Lefts[at]) / float32(p), float32(j) / float32(q), c.Q[at]}
			role.nonzeros, l.anyRole.nonzeros = append(role.nonzeros, n), append(l.anyRole.nonzeros, n)
		}
	}
	role.total += float64(b.Parameters())
	l.anyRole.total += float64(b.Parameters())
}

func (r *roleProfile) addVector(q []int32) {
	for i, x := range q {
		if x != 0 {
			r.nonzeros = append(r.nonzeros, coefficient{left: float32(i) / float32(len(q)), q: x})
		}
	}
	r.total += float64(len(q))
}

// of gives the likeness of a layer.
func (l *Profile) of(layer string) *roleProfile {
	if r := l.layers[roleOf(layer)]; r != nil {
		return r
	}
	return l.anyRole
}

// core makes up coefficients (q,p) of a tensor of so many numbers: as many in all
// as the real family's would have, whatever the number of directions; where two
// meet they add up.
func (r *roleProfile) core(random *rand.Rand, numbers, p, q int) []int32 {
	out := make([]int32, p*q)
	if len(r.nonzeros) == 0 {
		return out
	}
	for range int(float64(numbers) * float64(len(r.nonzeros)) / r.total) {
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

// resampled reads a side's scales at as many directions as another has.
func resampled(scales []float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = scales[i*len(scales)/n]
	}
	return out
}
