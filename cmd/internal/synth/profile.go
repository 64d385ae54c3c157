package synth

import (
	"math/rand/v2"
	"os"
	"regexp"

	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/subspace"
	"eigenserve/store/zoo"
)

// Profile is the distribution of a real family's coefficients by the role of their
// layer: how many are not zero, where they are among the directions, and how large
// they are. Variants of other sizes that follow it take the same share of bytes as
// real ones.
type Profile struct {
	roles   map[string]*roleProfile
	anyRole *roleProfile // for roles that the real family does not have
	vector  *roleProfile
}

type roleProfile struct {
	nonzeros    []coefficient
	parameters  float64   // of the tensors that nonzeros were taken from
	left, right []float32 // the scales of each side's directions
}

// coefficient is a coefficient that is not zero: the positions of its directions, from
// 0 to 1 of a side, and its value.
type coefficient struct {
	left, right float32
	q           int32
}

// EmbeddedProfile returns the profile of the embedded family.
func EmbeddedProfile() (*Profile, error) {
	dir, err := os.MkdirTemp("", "eigenserve-profile-")
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

// profileOf takes the profile of at most so many of a family's variants, evenly
// spaced.
func profileOf(s *store.Store, f store.Family, most int) (*Profile, error) {
	b, err := s.OpenBasis(f.Basis)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	profile := &Profile{roles: map[string]*roleProfile{}, anyRole: &roleProfile{}, vector: &roleProfile{}}
	variants := s.Variants()
	for i := range min(most, len(variants)) {
		v, err := s.ReadVariant(variants[i*len(variants)/min(most, len(variants))].Digest)
		if err != nil {
			return nil, err
		}
		if v.Basis != b.Digest {
			continue
		}
		if err := subspace.Visit(b, v, func(i int, c *rans.Sparse) error { profile.addLayer(&b.Layers[i], c); return nil },
			func(_ int, q []int32) error { profile.vector.addVector(q); return nil }); err != nil {
			return nil, err
		}
	}
	return profile, nil
}

var digits = regexp.MustCompile(`[0-9]+`)

// roleOf returns a layer's name without its block's number.
func roleOf(layer string) string { return digits.ReplaceAllString(layer, "*") }

// addLayer adds the coefficients of one variant's layer.
func (profile *Profile) addLayer(b *store.BasisLayer, c *rans.Sparse) {
	role := profile.roles[roleOf(b.Name)]
	if role == nil {
		role = &roleProfile{left: b.LeftScale, right: b.RightScale}
		profile.roles[roleOf(b.Name)] = role
	}
	if profile.anyRole.left == nil {
		profile.anyRole.left, profile.anyRole.right = b.LeftScale, b.RightScale
	}
	p, q := b.Directions()
	for k, j := range c.Rights {
		for at := c.Starts[k]; at < c.Starts[k+1]; at++ {
			n := coefficient{float32(c.Lefts[at]) / float32(p), float32(j) / float32(q), c.Q[at]}
			role.nonzeros, profile.anyRole.nonzeros = append(role.nonzeros, n), append(profile.anyRole.nonzeros, n)
		}
	}
	role.parameters += float64(b.Parameters())
	profile.anyRole.parameters += float64(b.Parameters())
}

// addVector adds the coefficients of one variant's vector.
func (r *roleProfile) addVector(q []int32) {
	for i, x := range q {
		if x != 0 {
			r.nonzeros = append(r.nonzeros, coefficient{left: float32(i) / float32(len(q)), q: x})
		}
	}
	r.parameters += float64(len(q))
}

// of returns the profile for a layer.
func (profile *Profile) of(layer string) *roleProfile {
	if r := profile.roles[roleOf(layer)]; r != nil {
		return r
	}
	return profile.anyRole
}

// draw returns random coefficients (q, p) for a tensor of so many parameters. Their
// number is in proportion to the parameters, as in the real family, whatever the
// number of directions; coefficients that fall on one place are added.
func (r *roleProfile) draw(random *rand.Rand, parameters, p, q int) []int32 {
	out := make([]int32, p*q)
	if len(r.nonzeros) == 0 {
		return out
	}
	for range int(float64(parameters) * float64(len(r.nonzeros)) / r.parameters) {
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

// resampled returns the scales of a side at n directions.
func resampled(scales []float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = scales[i*len(scales)/n]
	}
	return out
}
