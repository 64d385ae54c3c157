package subspace

import (
	"math"
	"math/rand/v2"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// Random codes the checkpoint of c in a null model of the basis, in as many bytes. The null
// model has the same means and the same number of directions, but they are random, all
// coefficients have the same scale, and there is no metric. Random returns the null basis and
// the variant over it, which Rebuild accepts with this basis only. It uses up c, since a large
// model does not leave memory for both.
func (p *Projector) Random(c *Coefficients, bytes int) (*store.Basis, *store.Variant, error) {
	null := p.null(math.Sqrt(meanSquare(c.deltas)))
	c.Layers, c.Vectors = nil, nil
	random := &Coefficients{}
	for i, l := range null.layers {
		x := make([]float32, l.q*l.p)
		l.project(x, c.deltas[i])
		random.Layers, c.deltas[i] = append(random.Layers, x), nil
	}
	random.Vectors, c.deltas = c.deltas[len(null.layers):], nil
	v := &store.Variant{}
	return null.basis, v, null.quantiseTo(v, random, bytes)
}

// null returns a projector onto random directions, whose coefficients have scale size.
func (p *Projector) null(size float64) *Projector {
	b := &store.Basis{Family: p.basis.Family, Config: p.basis.Config, Rank: p.basis.Rank, Metric: MetricNone, RMS: size}
	out := &Projector{basis: b}
	sides := map[[2]int]randomSide{} // shared by layers of the same size
	side := func(n, k int) randomSide {
		s, ok := sides[[2]int{n, k}]
		if !ok {
			s = newRandomSide(n, k)
			sides[[2]int{n, k}] = s
		}
		return s
	}
	for _, l := range p.basis.Layers {
		np, nq := l.Directions()
		left, right := side(l.Rows(), np), side(l.Width(), nq)
		l.Left, l.Right = left.columns, right.rows
		l.LeftScale, l.RightScale = ones(np), times(ones(nq), float32(unit(b)))
		b.Layers = append(b.Layers, l)
		out.layers = append(out.layers, &layerProjector{m: l.Rows(), width: l.Width(), p: np, q: nq, left: left.wide, right: right.tall})
	}
	for _, v := range p.basis.Vectors {
		v.Scale = ones(v.Len())
		b.Vectors = append(b.Vectors, v)
	}
	return out
}

// quantiseTo quantises c to a stream of at most the given bytes, and as close to them as there
// is a step for: the coefficients of random directions have similar magnitudes, so a small
// change of the step can add or remove many of them. It bisects the logarithm of the step.
func (p *Projector) quantiseTo(v *store.Variant, c *Coefficients, bytes int) error {
	const close, same = 0.99, 1.0002
	var fine, coarse float64 // steps that take too many bytes, and not too many; 0 if none is known
	for step := 8.0; ; {
		w := &store.Variant{Step: step * unit(p.basis)}
		if err := checkStep(c, step, w.Step); err != nil {
			if coarse > 0 { // no smaller step is possible
				return nil
			}
			return err
		}
		if err := encode(w, p.blocks(c, w.Step)); err != nil {
			return err
		}
		n := len(w.Coefficients)
		if n <= bytes || coarse == 0 {
			*v = *w
		}
		if n > bytes {
			fine = step
		} else {
			coarse = step
		}
		switch {
		case n <= bytes && float64(n) >= close*float64(bytes), step > coarsest || step < 1/coarsest:
			return nil
		case fine == 0:
			step /= 2
		case coarse == 0:
			step *= 2
		case coarse/fine < same:
			return nil
		default:
			step = math.Sqrt(fine * coarse)
		}
	}
}

// coarsest is the largest step that is tried, in units of a coefficient's size. All integers
// are zero long before it.
const coarsest = 1 << 20

// randomSide holds k random orthonormal directions in n dimensions.
type randomSide struct {
	tall, wide    []float32         // (n,k), and its transpose
	columns, rows tensorfile.Tensor // the same
}

// newRandomSide chooses k random rows of a discrete cosine transform (DCT-II: Ahmed, Natarajan
// and Rao 1974) of n dimensions with random signs, which is orthonormal and mixes all
// dimensions (Tropp 2011).
func newRandomSide(n, k int) randomSide {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	cosines := make([]float32, 4*n) // at 4n points of the circle
	for i := range cosines {
		cosines[i] = float32(math.Sqrt(2/float64(n)) * math.Cos(2*math.Pi*float64(i)/float64(4*n)))
	}
	wide := make([]float32, k*n)
	for j, frequency := range r.Perm(n)[:k] {
		for i := range n {
			wide[j*n+i] = cosines[(2*i+1)*frequency%(4*n)]
			if frequency == 0 {
				wide[j*n+i] /= math.Sqrt2
			}
		}
	}
	for i := range n {
		if r.Uint64()&1 == 0 {
			for j := range k {
				wide[j*n+i] *= -1
			}
		}
	}
	tall := transpose(wide, k, n)
	return randomSide{tall: tall, wide: wide, columns: tensorfile.FromFloat32("F32", []int{n, k}, tall), rows: tensorfile.FromFloat32("F32", []int{k, n}, wide)}
}

// times multiplies v by a number and returns it.
func times(v []float32, by float32) []float32 {
	for i := range v {
		v[i] *= by
	}
	return v
}

// meanSquare returns the mean square of the elements of tensors.
func meanSquare(tensors [][]float32) float64 {
	sum, count := 0.0, 0
	for _, t := range tensors {
		sum, count = sum+energy(t), count+len(t)
	}
	return sum / float64(max(count, 1))
}
