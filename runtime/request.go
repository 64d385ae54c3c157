package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eigenserve/runtime/sched"
)

// inputOpener looks at an input, and returns how many bytes decoding it takes and what
// decodes it.
type inputOpener func() (bytes int64, decode inputDecoder, err error)

// inputDecoder fills pixels (channels, height, width).
type inputDecoder func(pixels []float32) error

// request is one call's inputs on their way through the scheduler.
type request struct {
	*sched.Request
	h      *handle
	l      *loaded
	inputs []input
}

// input is one input of a request and what became of it. From when a batch takes it until
// it is finished, only the batch uses it.
type input struct {
	*sched.Input
	pixels []float32 // (channels, height, width); nil once computed
	logits []float32
	timing Timing
}

// newRequest returns a request for n outputs of a variant.
func newRequest(h *handle, l *loaded, n int) *request {
	r := &request{Request: sched.NewRequest(h, &l.family.class, n), h: h, l: l, inputs: make([]input, n)}
	r.Value = r
	for i := range r.inputs {
		r.inputs[i].Input = &r.Inputs[i]
	}
	return r
}

// requestOf returns the request that the scheduler knows as r.
func requestOf(r *sched.Request) *request { return r.Value.(*request) }

// inputError is an error of one input of a request.
type inputError struct {
	index int
	err   error
}

func (e *inputError) Error() string { return fmt.Sprintf("row %d: %v", e.index, e.err) }

// Unwrap returns the cause.
func (e *inputError) Unwrap() error { return e.err }

// newScheduler returns a scheduler whose slots compute by eng. Close waits for them.
func (eng *Engine) newScheduler() *sched.Scheduler {
	o := &eng.options
	return sched.New(sched.Config{Slots: o.Parallel, MaxBatch: o.MaxBatch, MaxQueue: o.Queue, Separate: o.NotMixed,
		MaxDelay: o.MaxDelay, MaxWait: o.MaxWait, Run: eng.answerBatch, Lease: eng.readyWeights, Go: eng.inside.Go})
}

// maxPrepared is how many inputs of one request are prepared before any of these is
// answered: a prepared input is large.
const maxPrepared = 64

// compute answers inputs by one variant, all with the same weights. It returns their
// logits, which belong to the caller, and the timing of the input that took longest. An
// error is an inputError, that of the first input that failed, or about the whole request.
func (eng *Engine) compute(ctx context.Context, h *handle, l *loaded, inputs ...inputOpener) ([][]float32, Timing, error) {
	r := newRequest(h, l, len(inputs))
	if err := ctx.Err(); err != nil {
		err = contextError(err)
		eng.scheduler.Abandon(r.Request, err)
		return nil, Timing{}, err
	}
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, eng.options.Deadline)
		defer cancel()
	}
	r.Deadline, _ = ctx.Deadline()
	if err := eng.scheduler.Admit(r.Request); err != nil {
		return nil, Timing{}, err
	}
	var total Timing
	eng.cache.RecordAccess(l.variant.Digest, len(inputs))
	for from := 0; from < len(inputs); from += maxPrepared {
		to := min(from+maxPrepared, len(inputs))
		took, err := eng.answer(ctx, r, inputs, from, to)
		if err != nil {
			eng.scheduler.Abandon(r.Request, err)
			return nil, Timing{}, err
		}
		total = total.plus(took)
	}
	h.requests.Add(int64(len(inputs)))
	logits := make([][]float32, len(r.inputs))
	for i := range r.inputs {
		logits[i] = r.inputs[i].logits
	}
	return logits, total, nil
}

// answer prepares the inputs with the indices from to to, excluding to, and waits for their
// outputs. It returns the timing of the input that took longest.
func (eng *Engine) answer(ctx context.Context, r *request, inputs []inputOpener, from, to int) (longest Timing, err error) {
	if err := eng.prepareInputs(ctx, r, inputs, from, to); err != nil {
		return longest, err
	}
	select {
	case <-eng.scheduler.Enqueue(r.Request, from, to):
	case <-ctx.Done():
		return longest, contextError(ctx.Err())
	}
	if err := eng.scheduler.Err(r.Request); err != nil {
		return longest, err
	}
	for _, in := range r.inputs[from:to] {
		if in.timing.sum() > longest.sum() {
			longest = in.timing
		}
	}
	return longest, nil
}

// prepareInputs decodes the inputs with the indices from to to, excluding to, and returns
// the error of the first that can't be decoded.
func (eng *Engine) prepareInputs(ctx context.Context, r *request, inputs []inputOpener, from, to int) error {
	if to-from == 1 {
		return eng.prepareInput(ctx, r, from, inputs[from])
	}
	errs := make([]error, to-from)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = eng.prepareInput(ctx, r, from+i, inputs[from+i]) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prepareInput decodes the i-th input of a request. At most one input for each processor is
// decoded at a time, over all requests.
func (eng *Engine) prepareInput(ctx context.Context, r *request, i int, open inputOpener) error {
	began := time.Now()
	select {
	case eng.preparing <- struct{}{}:
	case <-ctx.Done():
		return contextError(ctx.Err())
	}
	defer func() { <-eng.preparing }()
	bytes, decode, err := open()
	if err != nil {
		return &inputError{i, err}
	}
	if err := eng.admitImage(ctx, bytes); err != nil {
		return contextError(err)
	}
	defer eng.images.release(bytes)
	in := &r.inputs[i]
	in.timing = Timing{Queue: time.Since(began)}
	began = time.Now()
	in.pixels = make([]float32, r.l.variant.Input.Image.Len())
	err = decode(in.pixels)
	in.timing.Preprocess = time.Since(began)
	if err != nil {
		return &inputError{i, err}
	}
	return nil
}

// admitImage waits until an image of so many bytes may be decoded. While it waits, it makes
// room for other inputs to be prepared.
func (eng *Engine) admitImage(ctx context.Context, bytes int64) error {
	if bytes < largeImage || eng.images.large.TryAcquire(bytes) {
		return nil
	}
	<-eng.preparing
	err := eng.images.large.Acquire(ctx, bytes)
	eng.preparing <- struct{}{}
	return err
}

// contextError returns the error of a request whose context has ended with err.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: Deadline, Text: "no answer before the request's deadline", Err: err}
	}
	return err
}
