package subspace

import (
	"errors"
	"fmt"

	"eigenserve/store"
)

// ErrNotFinite marks a checkpoint that holds NaN or infinity, or numbers whose mean or
// squares overflow.
var ErrNotFinite = errors.New("not a finite number")

// Source is one checkpoint.
type Source interface {
	// Name and Digest identify the checkpoint. Digest is the SHA-256 of its tensors.
	Name() string
	Digest() string
	// Read fills dst with the values of a tensor, row-major. dst has the length of the
	// tensor. Read may be called by several goroutines at once.
	Read(tensor string, dst []float32) error
}

// read reads a tensor and fails if it is not finite: one NaN would spoil the whole family.
func read(s Source, tensor string, dst []float32) error {
	if err := s.Read(tensor, dst); err != nil {
		return fmt.Errorf("%s: %w", s.Name(), err)
	}
	for _, x := range dst {
		if x-x != 0 {
			return fmt.Errorf("%s: tensor %q: %w: %g", s.Name(), tensor, ErrNotFinite, x)
		}
	}
	return nil
}

// readLayer fills dst (m, width) with Ŵ = [W b]: the parts of a layer stacked by rows, each
// row followed by its bias. scratch has the length layerScratch.
func readLayer(s Source, l store.Layer, dst, scratch []float32) error {
	n, width, rows := l.Cols(), l.Width(), l.Shape[0]
	weight, bias := scratch[:rows*n], []float32(nil)
	if l.Bias {
		bias = scratch[rows*n : rows*n+rows]
	}
	for i, part := range l.Parts {
		if err := read(s, part+".weight", weight); err != nil {
			return err
		}
		if l.Bias {
			if err := read(s, part+".bias", bias); err != nil {
				return err
			}
		}
		join(dst[i*rows*width:(i+1)*rows*width], weight, bias, rows, n)
	}
	return nil
}

// layerScratch returns the length of the scratch of readLayer.
func layerScratch(l store.Layer) int { return l.Shape[0] * (l.Cols() + 1) }

// splitLayer is the inverse of readLayer: it calls put with new tensors for the weight and
// bias of each part of w (m, width).
func splitLayer(l store.Layer, w []float32, put Put) {
	n, width, rows := l.Cols(), l.Width(), l.Shape[0]
	for i, part := range l.Parts {
		weight, bias := make([]float32, rows*n), []float32(nil)
		if l.Bias {
			bias = make([]float32, rows)
		}
		split(w[i*rows*width:(i+1)*rows*width], weight, bias, rows, n)
		put(part+".weight", dense32(l.Shape, weight))
		if l.Bias {
			put(part+".bias", dense32(l.Shape[:1], bias))
		}
	}
}
