package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Classify answers one image file (PNG, JPEG, GIF, WebP) by one variant.
func (eng *Engine) Classify(ctx context.Context, name string, image []byte, o ClassifyOptions) (Answer, error) {
	eng.requests.Add(1)
	a, err := eng.classify(ctx, name, image, o)
	eng.ended(err)
	return a, err
}

// ended counts an inference that failed. Who gave one up has missed nothing.
func (eng *Engine) ended(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		eng.failures.Add(1)
	}
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
	logits, timing, err := eng.compute(ctx, h, l, []input{decoding(l.pixels, image)})
	if err != nil {
		return Answer{}, atFault(h, err)
	}
	score(logits[0])
	return Answer{Scores: best(logits[0], l.variant.Labels, o.TopK), Variant: h.entry.Name,
		Version: h.entry.Version, Digest: h.entry.Digest, Basis: h.entry.Basis, Timing: timing}, nil
}

// lease makes a variant's weights resident and holds them.
func (eng *Engine) lease(ctx context.Context, h *handle, l *loaded) (*lease, error) {
	lease, err := eng.cache.acquire(ctx, l.wanted(), func(slab []float32) (any, error) {
		began := time.Now()
		w, err := l.family.rebuild(l.variant, slab)
		l.family.costs.rebuild.observe(time.Since(began))
		return w, err
	})
	if err != nil {
		return nil, damaged(h, err)
	}
	eng.dropGone(h)
	return lease, nil
}

// dropGone drops what was put into the cache for a variant after it was removed:
// it goes with its last lease.
func (eng *Engine) dropGone(h *handle) {
	if h.gone.Load() && eng.store.Uses(h.entry.Digest) == 0 {
		eng.cache.drop(h.entry.Digest)
	}
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

// atFault is what the only row of a request failed of.
func atFault(h *handle, err error) error {
	var fault *rowFault
	if errors.As(err, &fault) {
		err = fault.err
	}
	return damaged(h, err)
}

// errNotFinite marks an answer that weights which are no numbers, or overflow,
// have made: no image does.
var errNotFinite = errors.New("it does not answer with finite numbers")

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
	top := Top(v, k)
	out := make([]Score, len(top))
	for i, j := range top {
		out[i] = Score{Label: labels[j], Score: float64(v[j])}
	}
	return out
}

// Top returns the indices of the k largest elements of v, the largest first; k ≤ 0
// stands for all. Of equal elements the first comes first.
func Top(v []float32, k int) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(v[j], v[i]) })
	if k > 0 && k < len(order) {
		order = order[:k]
	}
	return order
}
