package runtime

import (
	"fmt"
	"sync"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// family is a basis in memory, in the order that the kernels read, and the
// architecture that runs on it.
type family struct {
	name   string
	basis  *store.Basis // its file stays mapped: scales and vectors are read from it
	model  models.Model
	plan   *nn.Plan
	layers []kernel.Layer
	memory *region // what layers lie in
	slabs  *slabPool
	passes nn.Pool

	// projectOnce makes projector, which only adding checkpoints needs.
	projectOnce sync.Once
	projector   *subspace.Projector
	projectErr  error
}

// layoutOf says what of a plan is shared, in the store's words.
func layoutOf(p *nn.Plan) (l store.Layout) {
	for _, x := range p.Layers {
		l.Layers = append(l.Layers, store.Layer(x))
	}
	for _, x := range p.Vectors {
		l.Vectors = append(l.Vectors, store.Vector(x))
	}
	return l
}

// openFamily reads a basis and permutes it, once, into packed order.
func openFamily(b *store.Basis) (*family, error) {
	model, err := models.Open(b.Config, b.Preprocessor)
	if err != nil {
		return nil, fmt.Errorf("family %q: %w", b.Family, err)
	}
	f := &family{name: b.Family, basis: b, model: model, plan: model.Plan()}
	if !layoutOf(f.plan).Equal(b.Layout()) {
		return nil, fmt.Errorf("family %q: %w: its tensors are not those of its architecture", b.Family, store.ErrFormat)
	}
	f.slabs = &slabPool{bytes: 4 * int64(f.plan.SlabLen())}
	return f, f.pack()
}

// pack lays out every layer's mean, left and right in one region.
func (f *family) pack() error {
	total := 0
	for i := range f.basis.Layers {
		l := kernelLayer(&f.basis.Layers[i])
		total += kernel.PackedLen(l.M, l.N) + kernel.PackedLen(l.M, l.P) + f.basis.Layers[i].Width()*l.Q
	}
	var err error
	if f.memory, err = newRegion(2 * total); err != nil {
		return fmt.Errorf("family %q: %w", f.name, err)
	}
	rest := f.memory.halves()
	cut := func(n int) []uint16 {
		piece := rest[:n:n]
		rest = rest[n:]
		return piece
	}
	for i := range f.basis.Layers {
		b := &f.basis.Layers[i]
		l := kernelLayer(b)
		l.Mean, l.Left, l.Right = cut(kernel.PackedLen(l.M, l.N)), cut(kernel.PackedLen(l.M, l.P)), cut(b.Width()*l.Q)
		l.MeanBias = b.Bias
		if err := packLayer(&l, b); err != nil {
			return fmt.Errorf("family %q: layer %q: %w", f.name, b.Name, err)
		}
		f.layers = append(f.layers, l)
	}
	return nil
}

// kernelLayer gives the sizes of a layer in the kernels' words.
func kernelLayer(b *store.BasisLayer) kernel.Layer {
	p, q := b.Directions()
	l := kernel.Layer{M: b.Rows(), N: b.Cols(), P: p, Q: q, Bias: b.Layer.Bias, MeanType: kernel.BF16}
	if b.Mean.DType == "F16" {
		l.MeanType = kernel.F16
	}
	return l
}

func packLayer(l *kernel.Layer, b *store.BasisLayer) error {
	if err := packHalves(l.Mean, b.Mean, l.M, l.N, l.MeanType); err != nil {
		return err
	}
	if err := packHalves(l.Left, b.Left, l.M, l.P, kernel.BF16); err != nil {
		return err
	}
	right := make([]float32, b.Right.Len()) // (q,width); the kernel wants (width,q)
	if err := b.Right.Float32(right); err != nil {
		return err
	}
	width := b.Width()
	turned := make([]float32, len(right))
	for k := range l.Q {
		for r := range width {
			turned[r*l.Q+k] = right[k*width+r]
		}
	}
	kernel.ToHalf(l.Right, turned, kernel.BF16)
	return nil
}

// packHalves packs a 16-bit (n,k) tensor into panels of the same type, which
// changes no value.
func packHalves(dst []uint16, t interface {
	Len() int
	Float32([]float32) error
}, n, k int, h kernel.Half) error {
	w, panels := make([]float32, t.Len()), make([]float32, len(dst))
	if err := t.Float32(w); err != nil {
		return err
	}
	kernel.Pack(panels, w, k, n, k)
	kernel.ToHalf(dst, panels, h)
	return nil
}

// project gives the projector of the basis, made at its first use.
func (f *family) project() (*subspace.Projector, error) {
	f.projectOnce.Do(func() { f.projector, f.projectErr = subspace.NewProjector(f.basis) })
	return f.projector, f.projectErr
}

// bytes is what the resident basis takes: the packed layers, and the scales and
// vectors beside them.
func (f *family) bytes() int64 {
	n := f.memory.bytes()
	for i := range f.basis.Layers {
		l := &f.basis.Layers[i]
		n += 4 * int64(len(l.Bias)+len(l.LeftScale)+len(l.RightScale))
	}
	for i := range f.basis.Vectors {
		n += 8 * int64(f.basis.Vectors[i].Len())
	}
	return n
}

// dense is what one float32 copy of the shared tensors takes.
func (f *family) dense() int64 { return 4 * int64(f.basis.Layout().Parameters()) }

func (f *family) close() error {
	if err := f.memory.free(); err != nil {
		return err
	}
	return f.basis.Close()
}
