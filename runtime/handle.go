package runtime

import (
	"fmt"
	"sync"
	"sync/atomic"

	"eigenserve/models"
	"eigenserve/models/pixel"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// handle is one name's variant: at rest an entry of the catalogue, after its
// first use the coefficients as well. A replaced variant gets a new handle, so
// whoever holds one goes on with the weights that it began with.
type handle struct {
	entry store.Entry

	mu      sync.Mutex // guards variant, pixels, pinned, and is held while they are read
	variant *store.Variant
	pixels  pixel.Spec
	pinned  *lease

	// loaded is what variant takes in bytes, 0 before it is read.
	coefficients, private atomic.Int64

	requests, hits, rebuilds atomic.Int64
}

func newHandle(e store.Entry) *handle { return &handle{entry: e} }

// load reads a variant's coefficients at the first use and gives them with the
// family they stand on.
func (eng *Engine) load(h *handle) (*family, *store.Variant, error) {
	f, err := eng.family(h.entry.Basis)
	if err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.variant != nil {
		return f, h.variant, nil
	}
	v, err := eng.store.ReadVariant(h.entry.Digest)
	if err != nil {
		return nil, nil, storeError(err)
	}
	if err := h.take(f, v); err != nil {
		return nil, nil, err
	}
	return f, h.variant, nil
}

// take keeps of a variant what answering needs. The caller holds mu.
func (h *handle) take(f *family, v *store.Variant) error {
	if err := v.CheckBasis(f.basis); err != nil {
		return storeError(err)
	}
	spec, err := f.pixels(v)
	if err != nil {
		return storeError(err)
	}
	h.pixels = spec
	h.variant = &store.Variant{Name: v.Name, Family: v.Family, Basis: v.Basis, Digest: v.Digest,
		Step: v.Step, Labels: v.Labels, Gains: own(v.Gains), Coefficients: own(v.Coefficients),
		Private: ownTensors(v.Private), Exact: ownTensors(v.Exact)}
	h.coefficients.Store(int64(len(v.Coefficients) + len(v.Gains)))
	private := 0
	for _, m := range []map[string]tensorfile.Tensor{v.Private, v.Exact} {
		for _, t := range m {
			private += len(t.Data)
		}
	}
	h.private.Store(int64(private))
	return nil
}

// own copies what is kept, so that the file's buffer can go.
func own(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

func ownTensors(m map[string]tensorfile.Tensor) map[string]tensorfile.Tensor {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]tensorfile.Tensor, len(m))
	for name, t := range m {
		t.Data = own(t.Data)
		out[name] = t
	}
	return out
}

// pixels says how an image becomes a variant's input: as the family's, or as
// the variant's own preprocessor_config.json has it.
func (f *family) pixels(v *store.Variant) (pixel.Spec, error) {
	if len(v.Preprocessor) == 0 {
		return f.model.Pixels(), nil
	}
	m, err := models.Open(f.basis.Config, v.Preprocessor)
	if err != nil {
		return pixel.Spec{}, fmt.Errorf("%w: preprocessor: %v", store.ErrFormat, err)
	}
	return m.Pixels(), nil
}

// unpin lets the weights go, if they were pinned.
func (h *handle) unpin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pinned != nil {
		h.pinned.release()
		h.pinned = nil
	}
}

func (h *handle) isPinned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pinned != nil
}
