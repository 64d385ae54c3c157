package subspace

import (
	"errors"
	"fmt"

	"eigenserve/store"
)

// ErrNotFinite marks a checkpoint that holds NaN or an infinity, or numbers whose
// mean or squares become one.
var ErrNotFinite = errors.New("not a finite number")

// Source is one checkpoint.
type Source interface {
	// Name and Digest identify it; Digest is the SHA-256 of its tensors.
	Name() string
	Digest() string
	// Read fills dst with a tensor's values, row-major. The length of dst is
	// the tensor's. It may be called from several goroutines at once.
	Read(tensor string, dst []float32) error
}

// read reads a tensor and refuses what is not finite: one NaN would spoil the
// whole family.
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

// readLayer fills dst (m, width) with Ŵ = [W b]: the layer's parts stacked by
// rows, each row followed by its bias. scratch holds one part's weight.
func readLayer(s Source, l store.Layer, dst, scratch []float32) error {
	n, width, rows := l.Cols(), l.Width(), l.Shape[0]
	weight, bias := scratch[:rows*n], scratch[rows*n:rows*n+rows]
	for i, part := range l.Parts {
		if err := read(s, part+".weight", weight); err != nil {
			return err
		}
		if l.Bias {
			if err := read(s, part+".bias", bias); err != nil {
				return err
			}
		}
		for r := range rows {
			row := dst[(i*rows+r)*width : (i*rows+r+1)*width]
			copy(row, weight[r*n:(r+1)*n])
			if l.Bias {
				row[n] = bias[r]
			}
		}
	}
	return nil
}

// layerScratch is the length of readLayer's scratch.
func layerScratch(l store.Layer) int { return l.Shape[0] * (l.Cols() + 1) }

// splitLayer is readLayer's inverse: it hands each part's weight and bias to
// put, in slices that are put's own.
func splitLayer(l store.Layer, w []float32, put Put) {
	n, width, rows := l.Cols(), l.Width(), l.Shape[0]
	for i, part := range l.Parts {
		weight, bias := make([]float32, rows*n), make([]float32, rows)
		for r := range rows {
			row := w[(i*rows+r)*width : (i*rows+r+1)*width]
			copy(weight[r*n:(r+1)*n], row)
			if l.Bias {
				bias[r] = row[n]
			}
		}
		put(part+".weight", dense32(l.Shape, weight))
		if l.Bias {
			put(part+".bias", dense32(l.Shape[:1], bias))
		}
	}
}
