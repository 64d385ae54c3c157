// Package family holds one basis in memory, in the order that the kernels read, with
// the architecture that runs on it. From a variant's coefficients it rebuilds weights,
// or makes the factored form that a forward pass reads without a rebuild. It also checks
// whether a variant or a checkpoint fits the basis, and exports a variant as a
// checkpoint.
//
// The package keeps no cache, serves no requests and learns nothing: its callers decide
// who holds weights, and for how long.
package family

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/kernel"
	"eigenserve/runtime/mem"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Family is a basis in memory and the architecture that runs on it. It does not change
// once it is open, and any number of goroutines may use it.
type Family struct {
	Name string
	// Basis is without the matrices of its layers, which are packed for the kernels.
	// OpenBasis opens the file that has them.
	Basis  *store.Basis
	Model  models.Model
	Plan   *nn.Plan // in the precision that the family was opened in
	Passes nn.Pool  // forward passes on the family, kept for reuse

	open   func() (*store.Basis, error)
	layers []kernel.Layer
	memory *mem.Region    // of layers
	head   *subspace.Head // nil if heads are stored unchanged
	shared int64          // parameters of the shared tensors
}

// Open reads the basis with the given digest from a store and packs it for the
// kernels. The file is not kept open: its pages would take as much memory again.
func Open(s *store.Store, digest string, precision nn.Precision) (*Family, error) {
	b, err := s.OpenBasis(digest)
	if err != nil {
		return nil, Coded(err)
	}
	defer b.Close()
	f, err := newFamily(b, precision)
	if err != nil {
		return nil, Coded(fmt.Errorf("family %q: %w", b.Family, err))
	}
	f.open = func() (*store.Basis, error) { return s.OpenBasis(digest) }
	return f, nil
}

// OpenCurrent opens the current basis of the named family.
func OpenCurrent(s *store.Store, name string, precision nn.Precision) (*Family, error) {
	if err := store.CheckName(name); err != nil {
		return nil, Coded(err)
	}
	p, err := s.Family(name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fault.Errorf(fault.NotFound, "no family %q; `eigenserve fit` makes one", name)
	}
	if err != nil {
		return nil, Coded(err)
	}
	f, err := Open(s, p.Basis, precision)
	return f, Stored(err)
}

// newFamily returns the family of a basis, which it reads but does not keep open.
func newFamily(b *store.Basis, precision nn.Precision) (*Family, error) {
	model, err := models.Open(b.Config, b.Preprocessor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrFormat, err)
	}
	f := &Family{Name: b.Family, Basis: withoutMatrices(b), Model: model, Plan: model.Plan().In(precision),
		shared: int64(b.Layout().Parameters())}
	if !LayoutOf(f.Plan).Equal(b.Layout()) {
		return nil, fmt.Errorf("%w: its tensors are not those of its architecture", store.ErrFormat)
	}
	if f.head, err = openHead(b, f.Plan); err != nil {
		return nil, err
	}
	if err := f.pack(b); err != nil {
		return nil, err
	}
	// A pass may still read the layers of a family that its owner has dropped. Every user
	// of f.layers keeps f alive, so the memory is freed after the last of them.
	goruntime.AddCleanup(f, func(r *mem.Region) { r.Free() }, f.memory)
	return f, nil
}

// LayoutOf returns the layout of the tensors that variants of a plan share. A plan is
// what an architecture declares, a layout what files hold of it; neither of their
// packages knows the other, and this is the one conversion between them.
func LayoutOf(p *nn.Plan) (l store.Layout) {
	for _, x := range p.Layers {
		l.Layers = append(l.Layers, store.Layer(x))
	}
	for _, x := range p.Vectors {
		l.Vectors = append(l.Vectors, store.Vector(x))
	}
	return l
}

// withoutMatrices returns a copy of b that does not refer to the matrices in its file.
// The copy must not be closed: the file belongs to b.
func withoutMatrices(b *store.Basis) *store.Basis {
	light := *b
	light.Layers = slices.Clone(b.Layers)
	for i := range light.Layers {
		l := &light.Layers[i]
		l.Mean, l.Left, l.Right = tensorfile.Tensor{}, tensorfile.Tensor{}, tensorfile.Tensor{}
	}
	light.Heads = nil
	return &light
}

// OpenBasis opens the file of the basis, with its matrices. The caller closes it.
func (f *Family) OpenBasis() (*store.Basis, error) {
	b, err := f.open()
	return b, Coded(err)
}

// Head returns the code of the family's heads, nil if heads are stored unchanged.
func (f *Family) Head() *subspace.Head { return f.head }

// Layers returns the packed layers, by index in the plan. The caller must keep the
// family alive while it reads them.
func (f *Family) Layers() []kernel.Layer { return f.layers }

// Bytes returns the memory that the basis takes: its packed layers and HeapBytes.
func (f *Family) Bytes() int64 { return int64(f.memory.Len()) + f.HeapBytes() }

// HeapBytes returns the part of Bytes that is on the Go heap: scales, vectors, spectra
// and the code of heads.
func (f *Family) HeapBytes() (n int64) {
	for i := range f.Basis.Layers {
		l := &f.Basis.Layers[i]
		n += 4 * int64(len(l.Bias)+len(l.LeftScale)+len(l.RightScale))
		n += 8 * int64(len(l.Spectrum.Left)+len(l.Spectrum.Right))
	}
	for i := range f.Basis.Vectors {
		n += 8 * int64(f.Basis.Vectors[i].Len())
	}
	if f.head != nil {
		n += f.head.Bytes()
	}
	return n
}

// Parameters returns the number of parameters of the shared tensors.
func (f *Family) Parameters() int64 { return f.shared }

// SlabBytes returns the size of one variant's rebuilt weights.
func (f *Family) SlabBytes() int64 { return 4 * int64(f.Plan.SlabLen()) }

// DenseBytes returns the size of the shared tensors of one variant in float32.
func (f *Family) DenseBytes() int64 { return 4 * f.shared }

// DenseBytesWith returns the size of all tensors of a variant with the given number of
// labels in float32.
func (f *Family) DenseBytesWith(labels int) int64 {
	private := 0
	for _, p := range f.Plan.Private {
		n := 1
		for _, d := range p.Shape {
			if d < 0 {
				d = labels
			}
			n *= d
		}
		private += n
	}
	return f.DenseBytes() + 4*int64(private)
}

// FittedOn reports whether the basis was fitted on the checkpoint with the given digest.
func (f *Family) FittedOn(digest string) bool {
	return slices.ContainsFunc(f.Basis.Sources, func(s store.Source) bool { return s.Digest == digest })
}

// Close frees the memory of the layers. No one may use the family afterwards.
func (f *Family) Close() error { return f.memory.Free() }

// pack copies the mean and the directions of every layer into one region, in the
// order that the kernels read.
func (f *Family) pack(b *store.Basis) (err error) {
	total := 0
	for i := range b.Layers {
		l := kernelLayer(&b.Layers[i])
		total += kernel.PackedLen(l.M, l.N) + kernel.PackedLen(l.M, l.P) + b.Layers[i].Width()*l.Q
	}
	if f.memory, err = mem.NewRegion(2 * total); err != nil {
		return err
	}
	rest := f.memory.Halves()
	cut := func(n int) []uint16 {
		out := rest[:n:n]
		rest = rest[n:]
		return out
	}
	for i := range b.Layers {
		from := &b.Layers[i]
		l := kernelLayer(from)
		l.Mean, l.Left, l.Right = cut(kernel.PackedLen(l.M, l.N)), cut(kernel.PackedLen(l.M, l.P)), cut(from.Width()*l.Q)
		l.MeanBias = from.Bias
		if err := packLayer(&l, from); err != nil {
			return errors.Join(fmt.Errorf("layer %q: %w", from.Name, err), f.memory.Free())
		}
		f.layers = append(f.layers, l)
	}
	return nil
}
