package runtime

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"eigenserve/models/output"
)

// Classify answers an image file (PNG, JPEG, GIF or WebP) by one variant.
func (eng *Engine) Classify(ctx context.Context, ref string, image []byte, o ClassifyOptions) (Answer, error) {
	eng.requests.Add(1)
	a, err := eng.classify(ctx, ref, image, o)
	eng.countFailure(err)
	return a, err
}

// countFailure counts an inference that failed. A canceled one has not.
func (eng *Engine) countFailure(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		eng.failures.Add(1)
	}
}

func (eng *Engine) classify(ctx context.Context, ref string, image []byte, o ClassifyOptions) (a Answer, err error) {
	if err := eng.enter(); err != nil {
		return Answer{}, err
	}
	defer eng.leave()
	if o.Function != "" && scorers[o.Function] == nil {
		return Answer{}, Errorf(Invalid, "function_to_apply %q: use softmax, sigmoid or none", o.Function)
	}
	h, l, err := eng.openForRequest(ref)
	if err != nil {
		return Answer{}, err
	}
	started := time.Now()
	defer func() { h.recordCall(started, 1, a.Timing, err) }()
	logits, timing, err := eng.compute(ctx, h, l, decoding(l.variant.Input.Image, image))
	if err != nil {
		return Answer{}, blameModel(h, withoutIndex(err))
	}
	function := cmp.Or(o.Function, l.variant.Task.Function())
	scorers[function](logits[0])
	return Answer{Scores: best(logits[0], l.variant.Labels, o.TopK), Function: function, Variant: h.entry.Name,
		Version: h.entry.Version, Digest: h.entry.Digest, Basis: h.entry.Basis, Timing: timing}, nil
}

// withoutIndex returns the cause of an inputError: a request with one input need not say
// which one it is about.
func withoutIndex(err error) error {
	var of *inputError
	if errors.As(err, &of) {
		return of.err
	}
	return err
}

// scorers are the functions that turn logits into scores, in place, by name.
var scorers = map[string]func(v []float32){
	output.Softmax: softmax,
	output.Sigmoid: sigmoid,
	output.None:    func([]float32) {},
}

func sigmoid(v []float32) {
	for i, x := range v {
		v[i] = float32(1 / (1 + math.Exp(-float64(x))))
	}
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

// best pairs scores with labels, the best first. If k is positive, it returns the best k.
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
