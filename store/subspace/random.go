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
		random.Layers = append(random.Layers, x)
	}
	random.Vectors = c.deltas[len(null.layers):]
	v := &store.Variant{}
	return null.basis, v, null.sized(v, random, bytes)
}

// null is a projector onto random directions; the coefficients are expected to be
// of such a size.
func (p *Projector) null(size float64) *Projector {
	b := &store.Basis{Family: p.basis.Family, Config: p.basis.Config, Rank: p.basis.Rank, Metric: MetricNone, RMS: size}
	out := &Projector{basis: b, means: p.means}
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

// sized quantises to a stream of so many bytes, to within 1% where it can be: by
// the secant method on the logarithms of both, as a stream's length falls
// smoothly with the step.
func (p *Projector) sized(v *store.Variant, c *Coefficients, bytes int) error {
	const rounds, close = 12, 0.01
	slope := -1.3 // d log(bytes) / d log(step), to begin with
	step, lastStep, lastBytes := 4.0, math.NaN(), 0.0
	for range rounds {
		absolute := step * unit(p.basis)
		if err := checkStep(c, step, absolute); err != nil {
			if v.Coefficients != nil { // the last step's will do: there is no coding any finer
				return nil
			}
			return err
		}
		v.Step = absolute
		if err := encode(v, p.blocks(c, v.Step)); err != nil {
			return err
		}
		x, y := math.Log(step), math.Log(float64(max(len(v.Coefficients), 1))/float64(max(bytes, 1)))
		if math.Abs(y) < close {
			break
		}
		if seen := (y - lastBytes) / (x - lastStep); seen < -0.1 && !math.IsInf(seen, 0) {
			slope = seen
		}
		lastStep, lastBytes = x, y
		step = math.Exp(x - y/slope)
	}
	return nil
}

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
