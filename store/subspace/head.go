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

// A head is the classifier of one variant. Variants have different labels, so heads have no
// mean and no left directions. But all heads read the same features, so Ŵ = [W b] is coded as
// C = Ŵ·S·V. S·Sᵀ is the second moment of [features;1], so an error of C is one of the logits.
// The columns of V are the eigenvectors of the members' heads in these coordinates.

// FitHead learns the coding of a family's heads from the second moments (width,width) of
// [features;1] and the members' heads, each (labels,width).
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
	s.solve(v, n)
	out := &store.BasisHead{Name: name, Bias: bias, Width: n, Scale: make([]float32, n),
		Right: tensorfile.FromFloat32("BF16", []int{n, n}, transpose(v, n, n))}
	for i, x := range mu {
		// The mean magnitude of a Laplace variable is its standard deviation over √2.
		out.Scale[i] = float32(math.Sqrt(max(x, scaleFloor*mu[0], 1e-12) / float64(2*max(1, rows))))
	}
	return out, nil
}

// Head codes and decodes the heads of one family. Several goroutines may use it at once.
type Head struct {
	Name  string
	Bias  bool
	Width int // number of inputs, plus one for the bias

	right   []float32 // R (width,width)
	inverse []float32 // R⁻¹ (width,width)
	scale   []float32
}

// NewHead returns the Head of a basis, of which it keeps no reference.
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

// Bytes returns the memory that a Head takes.
func (h *Head) Bytes() int64 { return 4 * int64(len(h.right)+len(h.inverse)+len(h.scale)) }

// Encode codes a head w (labels,width) with a step, which is about the error of a logit. The
// first byte of the result is the gain, the rest is one stream.
func (h *Head) Encode(w []float32, labels int, step float64) ([]byte, error) {
	c := make([]float32, h.Width*labels) // (width,labels): the labels are the left directions
	kernel.Gemm(true, true, h.Width, labels, h.Width, h.inverse, h.Width, w, h.Width, c, labels, false)
	for _, x := range c {
		if !(math.Abs(float64(x))/step < rans.MaxMagnitude) {
			return nil, fmt.Errorf("%w: %g is too small for head %q", ErrStep, step, h.Name)
		}
	}
	b, gain := quantise(c, ones(labels), h.scale, step, offset).coded(step)
	stream, err := rans.Encode([]rans.Block{b})
	return append([]byte{gain}, stream...), err
}

// Decode returns the head (labels,width) that Encode coded with this step. The memory it takes
// depends on the number of labels, not on the stream.
func (h *Head) Decode(coded []byte, labels int, step float64) ([]float32, error) {
	if len(coded) == 0 {
		return nil, fmt.Errorf("%w: head %q is empty", store.ErrFormat, h.Name)
	}
	d, err := rans.NewDecoder(coded[1:])
	if err != nil {
		return nil, fmt.Errorf("head %q: %w", h.Name, err)
	}
	var s rans.Sparse
	if err := d.Block(inSteps(h.scale, coded[0], step), ones(labels), &s); err != nil {
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

// ridge times the mean variance of a feature is the cost of a change of the head. The images
// that a head is refitted on are not of its own labels, and a change that helps only these
// harms the others. On images of its labels, a ridge 30 times smaller left 8 to 22% more
// divergence in a family of strong fine-tunes, and the same in one of weak fine-tunes.
const ridge = 0.3

// RefitHead returns the head near w (labels,width) whose logits for features (n,width) are
// closest to target (n,labels). The features are those of rebuilt weights. It solves a
// least-squares problem with a ridge around w.
func RefitHead(w, features, target []float32, labels, width int) ([]float32, error) {
	n := len(features) / width
	rest := make([]float32, n*labels) // target − features·wᵀ
	kernel.Gemm(false, true, n, labels, width, features, width, w, width, rest, labels, false)
	for i, x := range target {
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

// costs returns the cost of a squared change of a head's weight, for each of the features
// (n,width). It is almost 0 for a feature that does not vary, such as the bias's 1.
func costs(features []float32, width int) []float64 {
	sum, square := make([]float64, width), make([]float64, width)
	for i, x := range features {
		sum[i%width] += float64(x)
		square[i%width] += float64(x) * float64(x)
	}
	n, mean, varying := float64(len(features)/width), 0.0, 0
	for i := range square {
		if square[i] -= sum[i] * sum[i] / n; square[i] > negligibleVariance*sum[i]*sum[i]/n {
			mean += square[i]
			varying++
		}
	}
	mean /= float64(max(1, varying))
	out := make([]float64, width)
	for i := range out {
		out[i] = max(negligibleVariance*mean, 1e-12)
		if square[i] > negligibleVariance*sum[i]*sum[i]/n {
			out[i] = max(ridge*mean, 1e-12)
		}
	}
	return out
}

// negligibleVariance is the largest variance of a feature that does not vary, relative to its
// mean square.
const negligibleVariance = 1e-6

// Gram returns the second moment xᵀx/rows (n,n) of x (rows,n).
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
