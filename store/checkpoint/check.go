package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eigenserve/store/tensorfile"
)

var (
	// ErrMismatch is wrapped by every MismatchError.
	ErrMismatch = errors.New("tensors do not fit the architecture")
	// ErrNotFinite marks a tensor that holds NaN or infinity.
	ErrNotFinite = errors.New("not finite")
)

// Spec is one tensor that an architecture needs, by canonical name.
type Spec struct {
	Name  string
	Shape []int // if Shape[0] is -1, any number of rows: one for each label
}

// MismatchError lists every difference between the tensors of a checkpoint and those that
// an architecture needs. The lists are complete and sorted; the message shortens them.
type MismatchError struct {
	Checkpoint string
	Missing    []string
	Extra      []string
	WrongShape []ShapeMismatch
}

// ShapeMismatch is a tensor with the wrong shape.
type ShapeMismatch struct {
	Name      string
	Got, Want []int // Want[0] is -1 for any number of rows
}

// Check compares the tensors with those that an architecture needs. It returns all
// differences as one *MismatchError.
func (c *Checkpoint) Check(want []Spec) error {
	e := &MismatchError{Checkpoint: c.Name}
	known := make(map[string]bool, len(want))
	for _, s := range want {
		known[s.Name] = true
		switch t, ok := c.tensors[s.Name]; {
		case !ok:
			e.Missing = append(e.Missing, s.Name)
		case !s.matches(t.Shape):
			e.WrongShape = append(e.WrongShape, ShapeMismatch{Name: s.Name, Got: slices.Clone(t.Shape), Want: slices.Clone(s.Shape)})
		}
	}
	for _, name := range c.names {
		if !known[name] {
			e.Extra = append(e.Extra, name)
		}
	}
	if len(e.Missing)+len(e.Extra)+len(e.WrongShape) == 0 {
		return nil
	}
	slices.Sort(e.Missing)
	slices.SortFunc(e.WrongShape, func(a, b ShapeMismatch) int { return strings.Compare(a.Name, b.Name) })
	return e
}

// matches reports whether a tensor of a shape satisfies the Spec.
func (s Spec) matches(shape []int) bool {
	if len(s.Shape) > 0 && s.Shape[0] == -1 {
		return len(shape) == len(s.Shape) && shape[0] > 0 && slices.Equal(shape[1:], s.Shape[1:])
	}
	return slices.Equal(shape, s.Shape)
}

// Unwrap makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Unwrap() error { return ErrMismatch }

func (e *MismatchError) Error() string {
	var parts []string
	list := func(what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(names), what, shorten(names)))
		}
	}
	shapes := make([]string, len(e.WrongShape))
	for i, m := range e.WrongShape {
		shapes[i] = fmt.Sprintf("%s %v instead of %s", m.Name, m.Got, strings.Replace(fmt.Sprint(m.Want), "[-1", "[any", 1))
	}
	list("missing", e.Missing)
	list("unknown", e.Extra)
	list("with the wrong shape", shapes)
	return fmt.Sprintf("checkpoint %q: %v: %s", e.Checkpoint, ErrMismatch, strings.Join(parts, "; "))
}

// CheckFinite reads every value. Its error wraps ErrNotFinite and names the first tensor,
// in the order of names, that holds NaN or infinity, and how many of them.
func (c *Checkpoint) CheckFinite() error {
	for _, name := range c.names {
		if err := c.checkFinite(name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Checkpoint) checkFinite(name string) error {
	t := c.tensors[name]
	if bad := countNotFinite(t); bad > 0 {
		return fmt.Errorf("checkpoint %q: tensor %q: %d of its %d values are %w", c.Name, name, bad, t.Len(), ErrNotFinite)
	}
	return nil
}

// countNotFinite returns the number of values that are NaN or infinite: those whose exponent
// has all bits set. A checkpoint has no tensors of other types than these four.
func countNotFinite(t tensorfile.Tensor) int {
	switch t.DType {
	case "F16":
		return count16(t.Data, 0x7c00)
	case "BF16":
		return count16(t.Data, 0x7f80)
	case "F32":
		return count32(t.Data, 0x7f800000)
	case "F64":
		return count64(t.Data, 0x7ff<<52)
	}
	return 0
}

// count16 returns how many 16-bit numbers have all bits of mask set.
func count16(b []byte, mask uint16) (n int) {
	for ; len(b) >= 2; b = b[2:] {
		if binary.LittleEndian.Uint16(b)&mask == mask {
			n++
		}
	}
	return n
}

func count32(b []byte, mask uint32) (n int) {
	for ; len(b) >= 4; b = b[4:] {
		if binary.LittleEndian.Uint32(b)&mask == mask {
			n++
		}
	}
	return n
}

func count64(b []byte, mask uint64) (n int) {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&mask == mask {
			n++
		}
	}
	return n
}
