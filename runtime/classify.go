package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"eigenserve/models/nn"
	"eigenserve/models/pixel"
	"eigenserve/store"
)

// Classify answers one image file (PNG, JPEG, GIF, WebP) by one variant.
func (eng *Engine) Classify(ctx context.Context, name string, image []byte, o ClassifyOptions) (Answer, error) {
	eng.requests.Add(1)
	a, err := eng.classify(ctx, name, image, o)
	if err != nil {
		eng.failures.Add(1)
	}
	return a, err
}

func (eng *Engine) classify(ctx context.Context, name string, image []byte, o ClassifyOptions) (Answer, error) {
	score, err := scorer(o.Function)
	if err != nil {
		return Answer{}, err
	}
	h, err := eng.find(name)
	if err != nil {
		return Answer{}, err
	}
	started := time.Now()
	if err := eng.turn(ctx); err != nil {
		return Answer{}, err
	}
	defer eng.endTurn()
	queued := time.Since(started)

	logits, timing, err := eng.infer(ctx, h, image)
	if err != nil {
		return Answer{}, err
	}
	timing.Queue += queued
	score(logits)
	return Answer{Scores: best(logits, h.labels(), o.TopK), Variant: h.entry.Name,
		Digest: h.entry.Digest, Basis: h.entry.Basis, Timing: timing}, nil
}

// find gives the handle of a name.
func (eng *Engine) find(name string) (*handle, error) {
	eng.mu.Lock()
	defer eng.mu.Unlock()
	h := eng.variants[name]
	if h == nil {
		if err := store.CheckName(name); err != nil {
			return nil, storeError(err)
		}
		return nil, Errorf(NotFound, "no model %q; GET /v1/models lists them", name)
	}
	return h, nil
}

func (h *handle) labels() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.variant.Labels
}

// turn waits for a processor.
func (eng *Engine) turn(ctx context.Context) error {
	select {
	case eng.turns <- struct{}{}:
		eng.running.Add(1)
		return nil
	default:
	}
	if n := eng.waiting.Add(1); n > int64(eng.options.Queue) {
		eng.waiting.Add(-1)
		return Errorf(Busy, "%d requests wait already", n-1)
	}
	defer eng.waiting.Add(-1)
	select {
	case eng.turns <- struct{}{}:
		eng.running.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (eng *Engine) endTurn() {
	eng.running.Add(-1)
	<-eng.turns
}

// infer decodes an image and runs it through a variant's weights. The logits
// are the caller's.
func (eng *Engine) infer(ctx context.Context, h *handle, image []byte) ([]float32, Timing, error) {
	var t Timing
	f, v, err := eng.load(h)
	if err != nil {
		return nil, t, err
	}
	began := time.Now()
	pixels, err := prepare(h.pixels, f, image)
	if err != nil {
		return nil, t, err
	}
	t.Preprocess = time.Since(began)

	began = time.Now()
	l, err := eng.lease(ctx, f, h, v)
	if err != nil {
		return nil, t, err
	}
	defer l.release()
	h.requests.Add(1)
	if l.rebuilt {
		t.Rebuild = time.Since(began)
		h.rebuilds.Add(1)
	} else {
		t.Queue = time.Since(began)
		h.hits.Add(1)
	}
	began = time.Now()
	logits, err := f.forward(l.value().(*nn.Weights), pixels)
	t.Compute = time.Since(began)
	return logits, t, err
}

// lease makes a variant's weights resident and holds them.
func (eng *Engine) lease(ctx context.Context, f *family, h *handle, v *store.Variant) (*lease, error) {
	l, err := eng.cache.acquire(ctx, h.entry.Digest, f.slabs, headBytes(v), func(slab []float32) (any, error) {
		return f.rebuild(v, slab)
	})
	if err != nil {
		return nil, damaged(h, err)
	}
	return l, nil
}

// damaged says of a rebuild's failure that a stored file is at fault: it was
// checked when it was put.
func damaged(h *handle, err error) error {
	var ours *Error
	if errors.As(err, &ours) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Code: Damaged, Text: fmt.Sprintf("model %q: %v", h.entry.Name, err), Err: err}
}

// prepare makes an image file into one input (channels, height, width).
func prepare(spec pixel.Spec, f *family, image []byte) ([]float32, error) {
	img, err := spec.Decode(image)
	if err != nil {
		code := Unsupported
		if errors.Is(err, pixel.ErrTooLarge) {
			code = TooLarge
		}
		return nil, &Error{Code: code, Text: err.Error(), Err: err}
	}
	in := inputOf(f.model)
	pixels := make([]float32, in.Channels*in.Height*in.Width)
	if err := spec.Fill(pixels, img); err != nil {
		return nil, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	return pixels, nil
}

// forward runs images (n, channels, height, width) through one variant and
// copies the first image's logits out of the pass.
func (f *family) forward(w *nn.Weights, pixels []float32) ([]float32, error) {
	p := f.passes.Begin(nn.Group{Images: 1, Weights: w})
	defer f.passes.End(p)
	logits, err := f.model.Forward(p, pixels)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return append([]float32(nil), logits[0]...), nil
}

// scorer gives the function that makes scores of logits, in place.
func scorer(name string) (func(v []float32), error) {
	switch name {
	case "", "softmax":
		return softmax, nil
	case "sigmoid":
		return func(v []float32) {
			for i, x := range v {
				v[i] = float32(1 / (1 + math.Exp(-float64(x))))
			}
		}, nil
	case "none":
		return func([]float32) {}, nil
	}
	return nil, Errorf(Invalid, "function_to_apply %q: use softmax, sigmoid or none", name)
}

func softmax(v []float32) {
	most := math.Inf(-1)
	for _, x := range v {
		most = max(most, float64(x))
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Exp(float64(x) - most)
	}
	for i, x := range v {
		v[i] = float32(math.Exp(float64(x)-most) / sum)
	}
}

// best pairs scores with labels, best first; k ≤ 0 keeps all.
func best(v []float32, labels []string, k int) []Score {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return v[order[a]] > v[order[b]] })
	if k > 0 && k < len(order) {
		order = order[:k]
	}
	out := make([]Score, len(order))
	for n, i := range order {
		out[n] = Score{Label: labels[i], Score: float64(v[i])}
	}
	return out
}
