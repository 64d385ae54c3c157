package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// input gives what fills one row of a request, and the bytes that it takes meanwhile.
type input func() (bytes int64, fill filler, err error)

// filler fills pixels (channels, height, width).
type filler func(pixels []float32) error

// request is one call's rows on their way through the scheduler.
type request struct {
	h        *handle
	l        *loaded
	deadline time.Time // zero: none
	rows     []row

	// Guarded by scheduler.mu:
	places int           // rows admitted that no batch has taken yet
	left   int           // rows under way without an answer
	err    error         // of the first row that failed
	done   chan struct{} // closed when left is 0 or err is set
}

// row is one input of a request and what became of it. A batch that has taken it
// has it alone until it is answered.
type row struct {
	of     *request
	pixels []float32 // (channels, height, width)
	queued time.Time
	logits []float32
	timing Timing
}

func newRequest(h *handle, l *loaded, rows int) *request {
	r := &request{h: h, l: l, rows: make([]row, rows)}
	for i := range r.rows {
		r.rows[i].of = r
	}
	return r
}

// rowFault says which row of a request an error is about.
type rowFault struct {
	row int
	err error
}

func (f *rowFault) Error() string { return fmt.Sprintf("row %d: %v", f.row, f.err) }

// Unwrap gives the cause.
func (f *rowFault) Unwrap() error { return f.err }

// rowsAhead is how many rows of one request are prepared before any of them is
// answered: a prepared row is large.
const rowsAhead = 64

// compute answers rows by one variant, all of them by the same weights. They
// wait for their turn, and are prepared before it. An error is of the first row
// that failed, as a rowFault, or of them all. The logits are the caller's; the
// timing is that of the row which took longest.
func (eng *Engine) compute(ctx context.Context, h *handle, l *loaded, inputs []input) ([][]float32, Timing, error) {
	r := newRequest(h, l, len(inputs))
	if err := ctx.Err(); err != nil {
		err = gaveUp(err)
		eng.scheduler.abandon(r, err)
		return nil, Timing{}, err
	}
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, eng.options.Deadline)
		defer cancel()
	}
	r.deadline, _ = ctx.Deadline()
	if err := eng.scheduler.admit(r); err != nil {
		return nil, Timing{}, err
	}
	var total Timing
	eng.cache.asked(l.variant.Digest, len(inputs))
	for from := 0; from < len(inputs); from += rowsAhead {
		to := min(from+rowsAhead, len(inputs))
		took, err := eng.answer(ctx, r, from, inputs[from:to])
		if err != nil {
			eng.scheduler.abandon(r, err)
			return nil, Timing{}, err
		}
		total = total.plus(took)
	}
	h.requests.Add(int64(len(inputs)))
	logits := make([][]float32, len(r.rows))
	for i := range r.rows {
		logits[i] = r.rows[i].logits
	}
	return logits, total, nil
}

// answer takes the rows of a request from one on as far as their answers, and
// gives the timing of the one that took longest.
func (eng *Engine) answer(ctx context.Context, r *request, from int, inputs []input) (longest Timing, err error) {
	rows := r.rows[from:][:len(inputs)]
	if err := eng.prepareRows(ctx, r, rows, inputs); err != nil {
		var fault *rowFault
		if errors.As(err, &fault) {
			fault.row += from
		}
		return longest, err
	}
	select {
	case <-eng.scheduler.enqueue(r, rows):
	case <-ctx.Done():
		return longest, gaveUp(ctx.Err())
	}
	if err := eng.scheduler.outcome(r); err != nil {
		return longest, err
	}
	for i := range rows {
		if t := rows[i].timing; t.sum() > longest.sum() {
			longest = t
		}
	}
	return longest, nil
}

// prepareRows runs the inputs, at once as far as there are processors for it: so
// many images are decoded at a time, whoever asks.
func (eng *Engine) prepareRows(ctx context.Context, r *request, rows []row, inputs []input) error {
	size := r.l.variant.Pixels.Channels * r.l.variant.Pixels.Height * r.l.variant.Pixels.Width
	faults := make([]error, len(rows))
	prepare := func(i int) {
		began := time.Now()
		select {
		case eng.preparing <- struct{}{}:
		case <-ctx.Done():
			faults[i] = gaveUp(ctx.Err())
			return
		}
		defer func() { <-eng.preparing }()
		bytes, fill, err := inputs[i]()
		if err != nil {
			faults[i] = &rowFault{i, err}
			return
		}
		if err := eng.admitImage(ctx, bytes); err != nil {
			faults[i] = gaveUp(err)
			return
		}
		defer eng.images.release(bytes)
		x := &rows[i]
		x.timing = Timing{Queue: time.Since(began)}
		began = time.Now()
		x.pixels = make([]float32, size)
		if err := fill(x.pixels); err != nil {
			faults[i] = &rowFault{i, err}
		}
		x.timing.Preprocess = time.Since(began)
	}
	if len(rows) == 1 {
		prepare(0)
		return faults[0]
	}
	var all sync.WaitGroup
	for i := range rows {
		all.Go(func() { prepare(i) })
	}
	all.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// admitImage waits until so many bytes may be taken for an image. Who waits gives its
// place to others, small images and all, and has it again afterwards.
func (eng *Engine) admitImage(ctx context.Context, bytes int64) error {
	if bytes < largeImage || eng.images.large.TryAcquire(bytes) {
		return nil
	}
	<-eng.preparing
	err := eng.images.large.Acquire(ctx, bytes)
	eng.preparing <- struct{}{}
	return err
}

// index is which row of its request this is.
func (x *row) index() int {
	for i := range x.of.rows {
		if x == &x.of.rows[i] {
			return i
		}
	}
	return -1
}

// gaveUp is the error of a request whose context has ended.
func gaveUp(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: Deadline, Text: "no answer before the request's deadline", Err: err}
	}
	return err
}
