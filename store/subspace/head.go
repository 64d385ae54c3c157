package subspace

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/rans"
	"eigenserve/store/tensorfile"
)

// A head, the classifier that each variant has for itself, has no mean and no
// left directions: labels are not the same from one variant to the next. But all
// read the same features, so Ŵ = [W b] is coded as C = Ŵ·S·V: S·Sᵀ is the second
// moment of [features;1], by which an error of C is one of the logits, and V are
// the directions of the members' heads in it.

// FitHead learns how a family's heads are coded, from moments (width,width) of
// the features with the bias's 1 behind them, and from members' heads (labels,
// width), each of them row-major.
func FitHead(name string, bias bool, moments []float64, heads [][]float32) (*store.BasisHead, error) {
	n := int(math.Sqrt(float64(len(moments))))
	s, err := newFactor(moments, n)
	if err != nil {
		return nil, fmt.Errorf("head %q: %w", name, err)
	}
	second, rows := make([]float64, n*n), 0
	for _, w := range heads {
		z := make([]float32, len(w))
		s.times(z, w, len(w)/n)
		gram := make([]float32, n*n)
		kernel.Gemm(true, false, n, n, len(w)/n, z, n, z, n, gram, n, false)
		for i, x := range gram {
			second[i] += float64(x)
		}
		rows += len(w) / n
	}
	v, mu, err := leading(second, n, n)
	if err != nil {
		return nil, fmt.Errorf("head %q: %w", name, err)
	}
	s.undo(v, n)
	out := &store.BasisHead{Name: name, Bias: bias, Width: n, Scale: make([]float32, n),
		Right: tensorfile.FromFloat32("BF16", []int{n, n}, transpose(v, n, n))}
	for i, x := range mu {
		// A Laplace variable's mean magnitude is its standard deviation over √2.
		out.Scale[i] = float32(math.Sqrt(max(x, scaleFloor*mu[0], 1e-12) / float64(2*max(1, rows))))
	}
	return out, nil
}

// Head codes and decodes the heads of one family. It may be used by several
// goroutines at once.
type Head struct {
	Name  string
	Bias  bool
	Width int // inputs, and one for the bias

	right   []float32 // R (width,width)
	inverse []float32 // R⁻¹ (width,width)
	scale   []float32
}

// NewHead copies what coding takes out of a basis.
func NewHead(b *store.BasisHead) (*Head, error) {
	h := &Head{Name: b.Name, Bias: b.Bias, Width: b.Width, right: make([]float32, b.Width*b.Width), scale: slices.Clone(b.Scale)}
	if err := b.Right.Float32(h.right); err != nil {
		return nil, err
	}
	inverse, err := pseudoInverse(transpose(h.right, h.Width, h.Width), h.Width, h.Width)
	if err != nil {
		return nil, fmt.Errorf("head %q: %w", b.Name, err)
	}
	h.inverse = transpose(inverse, h.Width, h.Width)
	return h, nil
}

// Bytes is the memory that a Head takes.
func (h *Head) Bytes() int64 { return 4 * int64(len(h.right)+len(h.inverse)+len(h.scale)) }

// Code codes a head w (labels,width) with a step: about what a logit may be off
// by. The first byte is the gain, the rest one stream.
func (h *Head) Code(w []float32, labels int, step float64) ([]byte, error) {
	c := make([]float32, h.Width*labels) // (width,labels): the labels are the left side
	kernel.Gemm(true, true, h.Width, labels, h.Width, h.inverse, h.Width, w, h.Width, c, labels, false)
	for _, x := range c {
		if !(math.Abs(float64(x))/step < rans.MaxMagnitude) {
			return nil, fmt.Errorf("%w: %g is too small for head %q", ErrStep, step, h.Name)
		}
	}
	b, gain := quantise(c, ones(labels), h.scale, step, rounding).shortest(step)
	stream, err := rans.Encode([]rans.Block{b})
	return append([]byte{gain}, stream...), err
}

// Decode gives the head (labels,width) that Code wrote with this step. It
// allocates by the number of labels, whatever the stream holds.
func (h *Head) Decode(coded []byte, labels int, step float64) ([]float32, error) {
	if len(coded) == 0 {
		return nil, fmt.Errorf("%w: head %q is empty", store.ErrFormat, h.Name)
	}
	d, err := rans.NewDecoder(coded[1:])
	if err != nil {
		return nil, fmt.Errorf("head %q: %w", h.Name, err)
	}
	var s rans.Sparse
	if err := d.Block(stepped(h.scale, coded[0], step), ones(labels), &s); err != nil {
		return nil, fmt.Errorf("head %q: %w", h.Name, err)
	}
	if err := d.Close(); err != nil {
		return nil, fmt.Errorf("head %q: %w", h.Name, err)
	}
	w := make([]float32, labels*h.Width)
	kernel.Gemm(true, false, labels, h.Width, h.Width, spread(&s, labels, h.Width, step), labels, h.right, h.Width, w, h.Width, false)
	for _, x := range w {
		if x-x != 0 {
			return nil, fmt.Errorf("%w: head %q holds %g", store.ErrFormat, h.Name, x)
		}
	}
	return w, nil
}

// ridge, times the mean variance of a feature, is what a change of the head
// costs. The images of a checkpoint's own labels are none of those that it is
// refitted on, and a change that these alone ask for harms those: measured on
// such, a thirtieth of it left a family tuned far 8 to 22% more divergence, and a
// cautious one as much.
const ridge = 0.3

// RefitHead gives the head near w (labels,width) that answers features
// (n,width), which other weights than its own have made, as is wanted
// (n,labels): a least-square solve with a ridge around w.
func RefitHead(w, features, wanted []float32, labels, width int) ([]float32, error) {
	n := len(features) / width
	rest := make([]float32, n*labels) // wanted − features·wᵀ
	kernel.Gemm(false, true, n, labels, width, features, width, w, width, rest, labels, false)
	for i, x := range wanted {
		rest[i] = x - rest[i]
	}
	gram, right := make([]float32, width*width), make([]float32, width*labels)
	kernel.Gemm(true, false, width, width, n, features, width, features, width, gram, width, false)
	kernel.Gemm(true, false, width, labels, n, features, width, rest, labels, right, labels, false)
	a, b := mat.NewSymDense(width, nil), mat.NewDense(width, labels, nil)
	cost := costs(features, width)
	for i := range width {
		for j := i; j < width; j++ {
			a.SetSym(i, j, float64(gram[i*width+j]))
		}
		a.SetSym(i, i, a.At(i, i)+cost[i])
		for k := range labels {
			b.Set(i, k, float64(right[i*labels+k]))
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return nil, fmt.Errorf("refit the head: %w", ErrNotFinite)
	}
	var change mat.Dense
	if err := chol.SolveTo(&change, b); err != nil {
		if _, ill := err.(mat.Condition); !ill {
			return nil, err
		}
	}
	out := slices.Clone(w)
	for k := range labels {
		for i := range width {
			out[k*width+i] += float32(change.At(i, k))
		}
	}
	return out, nil
}

// costs are what the squared change of a head's weight costs, for each of the
// features (n,width). One that never varies, as the bias's 1, may change freely.
func costs(features []float32, width int) []float64 {
	sum, square := make([]float64, width), make([]float64, width)
	for i, x := range features {
		sum[i%width] += float64(x)
		square[i%width] += float64(x) * float64(x)
	}
	n, mean, varying := float64(len(features)/width), 0.0, 0
	for i := range square {
		if square[i] -= sum[i] * sum[i] / n; square[i] > free*sum[i]*sum[i]/n {
			mean += square[i]
			varying++
		}
	}
	mean /= float64(max(1, varying))
	out := make([]float64, width)
	for i := range out {
		out[i] = max(free*mean, 1e-12)
		if square[i] > free*sum[i]*sum[i]/n {
			out[i] = max(ridge*mean, 1e-12)
		}
	}
	return out
}

// free, of a feature's square, is too little to be a variance.
const free = 1e-6

// Gram is the second moment xᵀx/rows of x (rows,n).
func Gram(x []float32, n int) []float64 {
	rows := len(x) / n
	sum, out := make([]float32, n*n), make([]float64, n*n)
	kernel.Gemm(true, false, n, n, rows, x, n, x, n, sum, n, false)
	for i := range n {
		for j := range n {
			out[i*n+j] = float64(sum[min(i, j)*n+max(i, j)]) / float64(rows)
		}
	}
	return out
}
