package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxRows is how many inputs one call of Infer may carry.
const MaxRows = 1024

// Inputs are what one call asks of one variant: encoded images (PNG, JPEG, GIF,
// WebP), or inputs that are prepared already, not both.
type Inputs struct {
	Images [][]byte
	// Pixels are (rows, channels, height, width), resized and normalised as the
	// variant's preprocessor_config.json says.
	Pixels []float32
	// Shape of one row of Pixels: channels, height, width.
	Shape [3]int
}

// Outputs are the answers to Inputs, one row each, in their order.
type Outputs struct {
	Logits  []float32 // (rows, labels)
	Rows    int
	Labels  []string
	Variant string // name
	Version int
	Digest  string // of the variant that answered
	Basis   string // digest of its basis
	Timing  Timing // of the row that took longest; rows that waited for others to be answered have those' before theirs
}

// Infer answers several inputs by one variant, all of them by the same weights.
func (eng *Engine) Infer(ctx context.Context, name string, in Inputs) (Outputs, error) {
	eng.requests.Add(1)
	out, err := eng.inferRows(ctx, name, in)
	eng.ended(err)
	return out, err
}

func (eng *Engine) inferRows(ctx context.Context, name string, in Inputs) (out Outputs, err error) {
	if err := eng.enter(); err != nil {
		return Outputs{}, err
	}
	defer eng.leave()
	h, l, err := eng.ask(name)
	if err != nil {
		return Outputs{}, err
	}
	began := time.Now()
	defer func() { h.record(began, out.Rows, out.Timing, err) }()
	inputs, err := eng.inputs(in, l)
	if err != nil {
		return Outputs{}, err
	}
	logits, timing, err := eng.compute(ctx, h, l, inputs...)
	if err != nil {
		return Outputs{}, in.fault(h, err, len(inputs))
	}
	return Outputs{Rows: len(inputs), Labels: l.variant.Labels, Variant: h.entry.Name, Version: h.entry.Version, Digest: h.entry.Digest, Basis: h.entry.Basis,
		Logits: slices.Concat(logits...), Timing: timing}, nil
}

// inputs are the rows, after a check that they are what the variant reads.
func (eng *Engine) inputs(in Inputs, l *loaded) ([]inputOpener, error) {
	rows, err := in.rows(l)
	if err != nil {
		return nil, err
	}
	inputs := make([]inputOpener, rows)
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

// fault says what of the inputs, or of the variant, an error of compute is about.
func (in Inputs) fault(h *handle, err error, rows int) error {
	row := 0
	var fault *inputError
	if errors.As(err, &fault) {
		row, err = fault.index, fault.err
	}
	if in.Pixels != nil && errors.Is(err, errNotFinite) {
		// Decoded images can't do that to sound weights, arbitrary numbers can.
		err = Errorf(Invalid, "with these pixel values the model's sums overflow; they should be normalised as its preprocessor_config.json says")
	}
	if err = damaged(h, err); fault != nil {
		err = ofRow(err, row, rows)
	}
	return err
}

// rows counts the inputs after checking that they are what the variant reads.
func (in Inputs) rows(l *loaded) (int, error) {
	want := [3]int{l.variant.Input.Image.Channels, l.variant.Input.Image.Height, l.variant.Input.Image.Width}
	rows := len(in.Images)
	if in.Pixels != nil {
		size := l.variant.Input.Image.Len()
		switch {
		case in.Images != nil:
			return 0, Errorf(Invalid, "send images or pixel values, not both")
		case in.Shape != want:
			return 0, Errorf(Invalid, "pixel values of shape %v a row: this model reads %v (channels, height, width)", in.Shape, want)
		case len(in.Pixels)%size != 0:
			return 0, Errorf(Invalid, "%d pixel values are no whole number of rows of %d", len(in.Pixels), size)
		}
		rows = len(in.Pixels) / size
	}
	switch {
	case rows == 0:
		return 0, Errorf(Invalid, "the request has no rows")
	case rows > MaxRows:
		return 0, Errorf(TooLarge, "%d rows in one request, at most %d are allowed", rows, MaxRows)
	}
	for i, x := range in.Pixels {
		if x-x != 0 {
			return 0, Errorf(Invalid, "pixel value %d is %v: all must be finite", i, x)
		}
	}
	return rows, nil
}

// ofRow says which of several rows an error is about.
func ofRow(err error, i, rows int) error {
	var ours *Error
	if rows == 1 || !errors.As(err, &ours) || ours.Code == Damaged || ours.Code == Busy {
		return err
	}
	return &Error{Code: ours.Code, Text: fmt.Sprintf("row %d: %s", i, ours.Text), Err: err}
}

func (t Timing) sum() time.Duration { return t.Queue + t.Rebuild + t.Preprocess + t.Compute }

func (t Timing) plus(o Timing) Timing {
	return Timing{Queue: t.Queue + o.Queue, Rebuild: t.Rebuild + o.Rebuild,
		Preprocess: t.Preprocess + o.Preprocess, Compute: t.Compute + o.Compute, Weights: cmp.Or(t.Weights, o.Weights)}
}
