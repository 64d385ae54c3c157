package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// family is a basis in memory, in the order that the kernels read, and the
// architecture that runs on it.
type family struct {
	name string
	// basis is without its layers' matrices, which are packed in memory. The
	// whole of it, as its file has it, is what whole opens.
	basis  *store.Basis
	whole  func() (*store.Basis, error)
	model  models.Model
	plan   *nn.Plan
	layers []kernel.Layer
	memory *region // what layers lie in
	slabs  *slabPool
	passes nn.Pool
	costs  costs
	mixing mixing
	// loadDense, if set, takes the place of rebuilding.
	loadDense Dense
	shared    int64 // numbers that all variants have: parameters without heads

	head *subspace.Head // nil where heads are kept as they came
	// probes reads the images that the family's variants are held against.
	probes func() (*Probes, error)
	gating sync.Mutex  // held while images are prepared, so that it is done once
	images *gateImages // as the family's preprocessing has them; guarded by gating

	sketch atomic.Pointer[subspace.Sketch] // of the mean; only adding checkpoints needs it
	// projecting guards the making and dropping of projector, projections, the
	// number of calls that use it, and idle, which drops it when none did for long.
	projecting  sync.Mutex
	projector   atomic.Pointer[projection] // only adding checkpoints needs it
	projections int
	idle        *time.Timer
}

// projection is a projector with the file that it reads. Its memory is that of a
// model and a half.
type projection struct {
	*subspace.Projector
	basis     *store.Basis
	family    *family
	forgotten goruntime.Cleanup
}

// projectorIdle is how long a projector stays that nobody uses: one checkpoint is
// often followed by another.
var projectorIdle = 30 * time.Second

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

// openFamily reads a basis and permutes it, once, into packed order. The file
// is not kept open: its pages would take as much memory again.
func openFamily(s *store.Store, digest string, precision nn.Precision) (*family, error) {
	whole := func() (*store.Basis, error) { return s.OpenBasis(digest) }
	b, err := whole()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	model, err := models.Open(b.Config, b.Preprocessor)
	if err != nil {
		return nil, fmt.Errorf("family %q: %w: %w", b.Family, store.ErrFormat, err)
	}
	f := &family{probes: probesOf(s, b.Probes), name: b.Family, basis: withoutMatrices(b), whole: whole, model: model, plan: model.Plan().In(precision)}
	if !layoutOf(f.plan).Equal(b.Layout()) {
		return nil, fmt.Errorf("family %q: %w: its tensors are not those of its architecture", b.Family, store.ErrFormat)
	}
	if f.head, err = openHead(b, f.plan); err != nil {
		return nil, fmt.Errorf("family %q: %w", b.Family, err)
	}
	f.slabs = &slabPool{bytes: 4 * int64(f.plan.SlabLen())}
	f.shared = int64(b.Layout().Parameters())
	if err := f.pack(b); err != nil {
		return nil, fmt.Errorf("family %q: %w", f.name, err)
	}
	// A family that is retired while requests use it is freed after the last of
	// them: what reads f.layers keeps f alive.
	goruntime.AddCleanup(f, func(r *region) { r.free() }, f.memory)
	return f, nil
}

// withoutMatrices is a basis without what lies in its file. Not to be closed:
// the file is the original's.
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

// pack lays out every layer's mean, left and right in one region.
func (f *family) pack(basis *store.Basis) (err error) {
	total := 0
	for i := range basis.Layers {
		l := kernelLayer(&basis.Layers[i])
		total += kernel.PackedLen(l.M, l.N) + kernel.PackedLen(l.M, l.P) + basis.Layers[i].Width()*l.Q
	}
	if f.memory, err = newRegion(2 * total); err != nil {
		return err
	}
	rest := f.memory.halves()
	cut := func(n int) []uint16 {
		piece := rest[:n:n]
		rest = rest[n:]
		return piece
	}
	for i := range basis.Layers {
		b := &basis.Layers[i]
		l := kernelLayer(b)
		l.Mean, l.Left, l.Right = cut(kernel.PackedLen(l.M, l.N)), cut(kernel.PackedLen(l.M, l.P)), cut(b.Width()*l.Q)
		l.MeanBias = b.Bias
		if err := packLayer(&l, b); err != nil {
			return errors.Join(fmt.Errorf("layer %q: %w", b.Name, err), f.memory.free())
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
	kernel.ToFloat16(l.Right, turned, kernel.BF16)
	return nil
}

// packHalves packs a 16-bit (n,k) tensor into panels of the same type, which
// changes no value.
func packHalves(dst []uint16, t tensorfile.Tensor, n, k int, h kernel.Format) error {
	w, panels := make([]float32, t.Len()), make([]float32, len(dst))
	if err := t.Float32(w); err != nil {
		return err
	}
	kernel.Pack(panels, w, k, n, k)
	kernel.ToFloat16(dst, panels, h)
	return nil
}

// closeForgotten closes the file of a projector that was collected, not dropped.
var closeForgotten = func(file *tensorfile.File) { file.Close() }

// project gives the projector of the basis, made at its first use; done must be
// called on it. A failure is not kept: the file may be restored.
func (f *family) project() (*projection, error) {
	f.projecting.Lock()
	defer f.projecting.Unlock()
	if p := f.projector.Load(); p != nil {
		f.projections++
		return p, nil
	}
	b, err := f.whole()
	if err != nil {
		return nil, storeError(err)
	}
	p, err := subspace.NewProjector(b)
	if err != nil {
		b.Close()
		return nil, storeError(err)
	}
	forgotten := goruntime.AddCleanup(b, closeForgotten, b.File())
	f.projector.Store(&projection{p, b, f, forgotten})
	f.projections++
	return f.projector.Load(), nil
}

// done ends one use of the projector. The last starts its time of grace.
func (p *projection) done() {
	f := p.family
	f.projecting.Lock()
	defer f.projecting.Unlock()
	if f.projections--; f.projections > 0 {
		return
	}
	if f.idle != nil {
		f.idle.Stop()
	}
	f.idle = time.AfterFunc(projectorIdle, f.dropProjector)
}

// dropProjector lets go of a projector that nobody uses.
func (f *family) dropProjector() {
	f.projecting.Lock()
	defer f.projecting.Unlock()
	if f.projections > 0 {
		return
	}
	if p := f.projector.Swap(nil); p != nil {
		p.close()
	}
}

// close closes the projector's file. Were the cleanup not stopped, it might close the
// file at the same time, once nothing else holds the basis.
func (p *projection) close() error {
	p.forgotten.Stop()
	return p.basis.Close()
}

// bytes is what the resident basis takes: the packed layers, what lies beside
// them, and the file that the projector reads.
func (f *family) bytes() int64 {
	n := f.memory.bytes() + f.heapBytes()
	if p := f.projector.Load(); p != nil {
		for i := range p.basis.Layers {
			l := &p.basis.Layers[i]
			n += int64(len(l.Mean.Data) + len(l.Left.Data) + len(l.Right.Data))
		}
	}
	return n
}

// heapBytes is what of the basis lies on Go's heap: scales, vectors, spectra,
// and the projector's pseudo-inverses.
func (f *family) heapBytes() (n int64) {
	for i := range f.basis.Layers {
		l := &f.basis.Layers[i]
		n += 4 * int64(len(l.Bias)+len(l.LeftScale)+len(l.RightScale))
		n += 8 * int64(len(l.Spectrum.Left)+len(l.Spectrum.Right))
	}
	for i := range f.basis.Vectors {
		n += 8 * int64(f.basis.Vectors[i].Len())
	}
	if f.head != nil {
		n += f.head.Bytes()
	}
	if p := f.projector.Load(); p != nil {
		for i := range p.basis.Layers {
			l := &p.basis.Layers[i]
			n += 4 * int64(l.Left.Len()+l.Right.Len())
		}
	}
	return n
}

// dense is what one float32 copy of the shared tensors takes.
func (f *family) dense() int64 { return 4 * f.shared }

func (f *family) close() error {
	err := f.memory.free()
	if p := f.projector.Load(); p != nil {
		err = errors.Join(err, p.close())
	}
	return err
}
