package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"eigenserve/models/nn"
	"eigenserve/models/pixel"
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

func (eng *Engine) classify(ctx context.Context, name string, image []byte, o ClassifyOptions) (a Answer, err error) {
	if err := eng.enter(); err != nil {
		return Answer{}, err
	}
	defer eng.leave()
	score, err := scorer(o.Function)
	if err != nil {
		return Answer{}, err
	}
	h, l, err := eng.ask(name)
	if err != nil {
		return Answer{}, err
	}
	started := time.Now()
	defer func() { h.record(started, 1, a.Timing, err) }()
	if err := eng.turn(ctx); err != nil {
		return Answer{}, err
	}
	defer eng.endTurn()
	queued := time.Since(started)

	logits, timing, err := eng.infer(ctx, h, l, image)
	if err != nil {
		return Answer{}, err
	}
	timing.Queue += queued
	score(logits)
	return Answer{Scores: best(logits, l.variant.Labels, o.TopK), Variant: h.entry.Name,
		Version: h.entry.Version, Digest: h.entry.Digest, Basis: h.entry.Basis, Timing: timing}, nil
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
func (eng *Engine) infer(ctx context.Context, h *handle, l *loaded, image []byte) ([]float32, Timing, error) {
	var t Timing
	began := time.Now()
	pixels, err := prepare(l.pixels, image)
	if err != nil {
		return nil, t, err
	}
	t.Preprocess = time.Since(began)
	return eng.run(ctx, h, l, pixels, t)
}

// run takes one input (channels, height, width) through a variant's weights, and
// adds to t what that took. The logits are the caller's.
func (eng *Engine) run(ctx context.Context, h *handle, l *loaded, pixels []float32, t Timing) ([]float32, Timing, error) {
	h.requests.Add(1)
	if eng.options.Factored && l.factorable() {
		return eng.quickest(h, l, pixels, t)
	}
	began := time.Now()
	lease, err := eng.lease(ctx, h, l)
	if err != nil {
		return nil, t, err
	}
	defer lease.release()
	if lease.rebuilt {
		t.Rebuild = time.Since(began)
		h.rebuilds.Add(1)
	} else {
		t.Queue = time.Since(began)
		h.hits.Add(1)
	}
	began = time.Now()
	logits, err := l.family.forward(lease.value().(*nn.Weights), pixels)
	if err != nil {
		return nil, t, damaged(h, err)
	}
	t.Compute = time.Since(began)
	return logits, t, nil
}

// lease makes a variant's weights resident and holds them.
func (eng *Engine) lease(ctx context.Context, h *handle, l *loaded) (*lease, error) {
	lease, err := eng.cache.acquire(ctx, h.entry.Digest, l.family.slabs, l.head, func(slab []float32) (any, error) {
		return l.family.rebuild(l.variant, slab)
	})
	if err != nil {
		return nil, damaged(h, err)
	}
	return lease, nil
}

// damaged says of a failure to rebuild or to answer that a stored file is at
// fault: the request chose nothing but its name.
func damaged(h *handle, err error) error {
	var ours *Error
	if errors.As(err, &ours) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Code: Damaged, Text: fmt.Sprintf("model %q: %v", h.entry.Name, err), Err: err}
}

// prepare makes an image file into one input (channels, height, width).
func prepare(spec pixel.Spec, image []byte) ([]float32, error) {
	img, err := spec.Decode(image)
	if err != nil {
		code := Unsupported
		if errors.Is(err, pixel.ErrTooLarge) {
			code = TooLarge
		}
		return nil, &Error{Code: code, Text: err.Error(), Err: err}
	}
	pixels := make([]float32, spec.Channels*spec.Height*spec.Width)
	if err := spec.Fill(pixels, img); err != nil {
		return nil, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	return pixels, nil
}

// errNotFinite marks an answer that weights which are no numbers, or overflow,
// have made: no image does.
var errNotFinite = errors.New("it does not answer with finite numbers")

// forward runs one image (channels, height, width) through a variant. The
// logits are the caller's.
func (f *family) forward(w *nn.Weights, pixels []float32) ([]float32, error) {
	p := f.passes.Begin(nn.Group{Images: 1, Weights: w})
	defer f.passes.End(p)
	logits, err := f.model.Forward(p, pixels)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	for _, x := range logits[0] {
		if x-x != 0 {
			return nil, errNotFinite
		}
	}
	return slices.Clone(logits[0]), nil
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
	out := make([]Score, len(v))
	for i, x := range v {
		out[i] = Score{Label: labels[i], Score: float64(x)}
	}
	slices.SortStableFunc(out, func(a, b Score) int { return cmp.Compare(b.Score, a.Score) })
	if k > 0 && k < len(out) {
		out = out[:k]
	}
	return out
}
