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
	// ErrMismatch is what a MismatchError wraps.
	ErrMismatch = errors.New("tensors do not fit the architecture")
	// ErrNotFinite is wrapped when a tensor holds NaN or infinity.
	ErrNotFinite = errors.New("not finite")
)

// Spec is one tensor that an architecture wants, by canonical name.
type Spec struct {
	Name  string
	Shape []int // Shape[0] == -1 takes any number of rows: one for each label
}

// MismatchError says all that a checkpoint's tensors lack to be what was wanted.
// Its lists are complete and sorted; its message shortens them.
type MismatchError struct {
	Checkpoint string
	Missing    []string
	Extra      []string
	Misshaped  []Misshape
}

// Misshape is a tensor that is there in another shape.
type Misshape struct {
	Name      string
	Got, Want []int // Want[0] == -1: any
}

// Check holds the tensors against those that are wanted. What does not fit comes
// as one *MismatchError.
func (c *Checkpoint) Check(want []Spec) error {
	e := &MismatchError{Checkpoint: c.Name}
	wanted := make(map[string]bool, len(want))
	for _, s := range want {
		wanted[s.Name] = true
		switch t, ok := c.tensors[s.Name]; {
		case !ok:
			e.Missing = append(e.Missing, s.Name)
		case !s.takes(t.Shape):
			e.Misshaped = append(e.Misshaped, Misshape{Name: s.Name, Got: slices.Clone(t.Shape), Want: slices.Clone(s.Shape)})
		}
	}
	for _, name := range c.names {
		if !wanted[name] {
			e.Extra = append(e.Extra, name)
		}
	}
	if len(e.Missing)+len(e.Extra)+len(e.Misshaped) == 0 {
		return nil
	}
	slices.Sort(e.Missing)
	slices.SortFunc(e.Misshaped, func(a, b Misshape) int { return strings.Compare(a.Name, b.Name) })
	return e
}

func (s Spec) takes(shape []int) bool {
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
	misshaped := make([]string, len(e.Misshaped))
	for i, m := range e.Misshaped {
		misshaped[i] = fmt.Sprintf("%s %v instead of %s", m.Name, m.Got, strings.Replace(fmt.Sprint(m.Want), "[-1", "[any", 1))
	}
	list("missing", e.Missing)
	list("not known", e.Extra)
	list("of another shape", misshaped)
	return fmt.Sprintf("checkpoint %q: %v: %s", e.Checkpoint, ErrMismatch, strings.Join(parts, "; "))
}

// CheckFinite looks at every value and names the first tensor, by name, that
// holds NaN or infinity, with their number. The error wraps ErrNotFinite.
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

// countNotFinite counts values whose exponent has every bit set. Other types
// than these four do not get into a checkpoint.
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

// count16 counts the numbers of 16 bits in which every bit of mask is set.
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
