package subspace

import (
	"math"
	"math/rand/v2"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// Random codes a checkpoint of some coefficients by a null of its basis, in as many
// bytes: each layer has as many directions, but random ones, of which every
// coefficient is expected to be as large as any other. Means are the basis's;
// no metric weighs anything. The variant is Rebuild's on the null that it comes
// with, and passes for none of the basis's own. The coefficients are used up: of a
// large model there is no room for both.
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
	return null.basis, v, null.sized(v, random, bytes)
}

// null is a projector onto random directions; the coefficients are expected to be
// of such a size.
func (p *Projector) null(size float64) *Projector {
	b := &store.Basis{Family: p.basis.Family, Config: p.basis.Config, Rank: p.basis.Rank, Metric: MetricNone, RMS: size}
	out := &Projector{basis: b}
	sides := map[[2]int]randomSide{} // as good for one layer as for another
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

// sized quantises to a stream of so many bytes, or as few below as there is a step
// for: random directions' coefficients are all about as large, and the fewer bytes
// there are, the more of them turn up or vanish at once. Steps are tried by halving,
// in their logarithm, between one that takes too many bytes and one that doesn't.
func (p *Projector) sized(v *store.Variant, c *Coefficients, bytes int) error {
	const close, same = 0.99, 1.0002
	var fine, coarse float64 // steps that take too many bytes, and not; 0: none yet
	for step := 8.0; ; {
		w := &store.Variant{Step: step * unit(p.basis)}
		if err := checkStep(c, step, w.Step); err != nil {
			if coarse > 0 { // there is no coding any finer
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

// coarsest is the largest step that is tried, in sizes of a coefficient: nothing is
// left long before it.
const coarsest = 1 << 20

// randomSide are k random orthonormal directions of n dimensions.
type randomSide struct {
	tall, wide    []float32         // (n,k), and its transpose
	columns, rows tensorfile.Tensor // the same
}

// newRandomSide takes k at random of the directions of a cosine transform (DCT-II:
// Ahmed, Natarajan and Rao 1974) of n numbers whose signs are random, which mixes
// any n alike (Tropp 2011) and is orthonormal as it is.
func newRandomSide(n, k int) randomSide {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	cosines := make([]float32, 4*n) // of a circle in 4n parts
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

func times(v []float32, by float32) []float32 {
	for i := range v {
		v[i] *= by
	}
	return v
}

// meanSquare is that of all numbers of some tensors.
func meanSquare(tensors [][]float32) float64 {
	sum, count := 0.0, 0
	for _, t := range tensors {
		sum, count = sum+energy(t), count+len(t)
	}
	return sum / float64(max(count, 1))
}
