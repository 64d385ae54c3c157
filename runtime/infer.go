package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxRows is the most inputs of one call of Infer.
const MaxRows = 1024

// Inputs are what one call asks of one variant: image files (PNG, JPEG, GIF or WebP) or
// prepared pixel values, not both.
type Inputs struct {
	Images [][]byte
	// Pixels are (inputs, channels, height, width), resized and normalised as the variant's
	// preprocessor_config.json says.
	Pixels []float32
	// Shape of one input in Pixels: channels, height, width.
	Shape [3]int
}

// Outputs are the answers to Inputs, in their order.
type Outputs struct {
	Logits  []float32 // (inputs, labels)
	Rows    int       // inputs
	Labels  []string
	Variant string // name
	Version int
	Digest  string // of the variant that answered
	Basis   string // digest of its basis
	// Timing is that of the input that took longest. Inputs that were prepared only after
	// others had been answered include the time of these.
	Timing Timing
}

// Infer answers inputs by one variant, all with the same weights.
func (eng *Engine) Infer(ctx context.Context, ref string, in Inputs) (Outputs, error) {
	eng.requests.Add(1)
	out, err := eng.infer(ctx, ref, in)
	eng.countFailure(err)
	return out, err
}

func (eng *Engine) infer(ctx context.Context, ref string, in Inputs) (out Outputs, err error) {
	if err := eng.enter(); err != nil {
		return Outputs{}, err
	}
	defer eng.leave()
	h, l, err := eng.openForRequest(ref)
	if err != nil {
		return Outputs{}, err
	}
	began := time.Now()
	defer func() { h.recordCall(began, out.Rows, out.Timing, err) }()
	inputs, err := in.openers(l)
	if err != nil {
		return Outputs{}, err
	}
	logits, timing, err := eng.compute(ctx, h, l, inputs...)
	if err != nil {
		return Outputs{}, in.blame(h, err, len(inputs))
	}
	return Outputs{Rows: len(inputs), Labels: l.variant.Labels, Variant: h.entry.Name, Version: h.entry.Version, Digest: h.entry.Digest, Basis: h.entry.Basis,
		Logits: slices.Concat(logits...), Timing: timing}, nil
}

// openers returns what prepares each input, after a check that the variant can read them.
func (in Inputs) openers(l *loaded) ([]inputOpener, error) {
	n, err := in.count(l)
	if err != nil {
		return nil, err
	}
	inputs := make([]inputOpener, n)
	for i := range inputs {
		if in.Pixels == nil {
			inputs[i] = decoding(l.variant.Input.Image, in.Images[i])
		} else {
			fill := func(pixels []float32) error { copy(pixels, in.Pixels[i*len(pixels):]); return nil }
			inputs[i] = func() (int64, inputDecoder, error) { return 0, fill, nil }
		}
	}
	return inputs, nil
}

// count returns the number of inputs, after a check that the variant can read them.
func (in Inputs) count(l *loaded) (int, error) {
	spec, n := l.variant.Input.Image, len(in.Images)
	if in.Pixels != nil {
		want := [3]int{spec.Channels, spec.Height, spec.Width}
		switch {
		case in.Images != nil:
			return 0, Errorf(Invalid, "send images or pixel values, not both")
		case in.Shape != want:
			return 0, Errorf(Invalid, "pixel values of shape %v a row: this model reads %v (channels, height, width)", in.Shape, want)
		case len(in.Pixels)%spec.Len() != 0:
			return 0, Errorf(Invalid, "%d pixel values are not a whole number of rows of %d", len(in.Pixels), spec.Len())
		}
		n = len(in.Pixels) / spec.Len()
	}
	switch {
	case n == 0:
		return 0, Errorf(Invalid, "the request has no rows")
	case n > MaxRows:
		return 0, Errorf(TooLarge, "%d rows in one request: at most %d are allowed", n, MaxRows)
	}
	for i, x := range in.Pixels {
		if x-x != 0 {
			return 0, Errorf(Invalid, "pixel value %d is %v: all must be finite", i, x)
		}
	}
	return n, nil
}

// blame returns an error of compute in terms of the inputs or of the model, whichever is
// at fault.
func (in Inputs) blame(h *handle, err error, n int) error {
	var of *inputError
	if errors.As(err, &of) {
		err = of.err
	}
	if in.Pixels != nil && errors.Is(err, errNotFinite) {
		// Decoded images cannot cause this with sound weights, but arbitrary numbers can.
		err = Errorf(Invalid, "with these pixel values the model's sums overflow; normalise them as its preprocessor_config.json says")
	}
	if err = blameModel(h, err); of != nil {
		err = withRow(err, of.index, n)
	}
	return err
}

// blameModel returns an error without a code as Damaged: the request chose nothing but
// the model's name, so a stored file is at fault.
func blameModel(h *handle, err error) error {
	var known *Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Code: Damaged, Text: fmt.Sprintf("model %q: %v", h.entry.Name, err), Err: err}
}

// errNotFinite is the error for logits that are not finite. Only weights that are not
// finite, or overflow, produce them.
var errNotFinite = errors.New("its answers are not finite numbers")

// withRow says which of n rows an error is about.
func withRow(err error, i, n int) error {
	var known *Error
	if n == 1 || !errors.As(err, &known) || known.Code == Damaged || known.Code == Busy {
		return err
	}
	return &Error{Code: known.Code, Text: fmt.Sprintf("row %d: %s", i, known.Text), Err: err}
}

func (t Timing) sum() time.Duration { return t.Queue + t.Rebuild + t.Preprocess + t.Compute }

func (t Timing) plus(o Timing) Timing {
	return Timing{Queue: t.Queue + o.Queue, Rebuild: t.Rebuild + o.Rebuild,
		Preprocess: t.Preprocess + o.Preprocess, Compute: t.Compute + o.Compute, Weights: cmp.Or(t.Weights, o.Weights)}
}
