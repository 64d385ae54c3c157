package oip

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"eigenserve/server/wire"
)

// tensor reads an input's data, from its JSON or from the begin of the binary
// part; rest is what of that follows. What is allocated is in proportion to the
// bytes that came.
func (in inferInput) tensor(tail []byte) (t tensor, rest []byte, err error) {
	n, err := checkInput(in.Name, in.Datatype, in.Shape)
	if err != nil {
		return t, nil, err
	}
	t = tensor{name: in.Name, datatype: in.Datatype, shape: in.Shape}
	size := in.Parameters.BinarySize
	if size == nil {
		return t, tail, t.readJSON(in.Data, n)
	}
	switch {
	case in.Data != nil:
		return t, nil, invalid("input %s has data and binary_data_size: give one of them", t.name)
	case *size < 0 || *size > int64(len(tail)):
		return t, nil, invalid("input %s: binary_data_size is %d, %d bytes of the body are left", t.name, *size, len(tail))
	}
	return t, tail[*size:], t.readBinary(tail[:*size], n)
}

// readBinary reads n elements of a tensor: little-endian numbers, or lengths of 4
// bytes each followed by so many.
func (t *tensor) readBinary(raw []byte, n int) error {
	if t.datatype == FP32 {
		if len(raw) != 4*n {
			return invalid("input %s of shape %v takes %d bytes, not %d", t.name, t.shape, 4*n, len(raw))
		}
		t.floats = make([]float32, n)
		for i := range t.floats {
			t.floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return nil
	}
	for len(raw) > 0 {
		if len(raw) < 4 || uint64(binary.LittleEndian.Uint32(raw)) > uint64(len(raw)-4) {
			return invalid("input %s: element %d is longer than the data", t.name, len(t.elements))
		}
		size := int(binary.LittleEndian.Uint32(raw))
		if len(t.elements) == n {
			return t.counted(n+1, n)
		}
		t.elements = append(t.elements, raw[4:4+size:4+size])
		raw = raw[4+size:]
	}
	return t.counted(len(t.elements), n)
}

func (t *tensor) counted(has, n int) error {
	if has != n {
		return invalid("input %s of shape %v has %d elements, not %d", t.name, t.shape, n, has)
	}
	return nil
}

// readJSON reads n elements of a tensor from a JSON array, nested or flat. Those
// of BYTES are base64: an image is not text.
func (t *tensor) readJSON(data json.RawMessage, n int) error {
	if len(data) == 0 || data[0] != '[' {
		return invalid("input %s needs data, an array", t.name)
	}
	if t.datatype == FP32 {
		t.floats = make([]float32, 0, min(n, len(data)/2+1)) // a number takes two bytes, its comma one of them
		if err := t.readNumbers(data); err != nil {
			return err
		}
		return t.counted(len(t.floats), n)
	}
	return t.readImages(data, n)
}

// readImages reads the elements one by one, so that of too many none is kept.
func (t *tensor) readImages(data []byte, n int) error {
	d := json.NewDecoder(bytes.NewReader(data))
	_, _ = d.Token() // the bracket
	for d.More() {
		if len(t.elements) == n {
			return t.counted(n+1, n)
		}
		var text string
		if err := d.Decode(&text); err != nil {
			return invalid("input %s: element %d is no image in base64", t.name, len(t.elements))
		}
		image, err := wire.DecodeImage(text)
		if err != nil {
			return invalid("input %s: element %d: %v", t.name, len(t.elements), err)
		}
		t.elements = append(t.elements, image)
	}
	return t.counted(len(t.elements), n)
}

// readNumbers appends the numbers of an array, flat or nested as the shape is. That it
// is JSON was checked when the request was read.
func (t *tensor) readNumbers(data []byte) error {
	n := nesting{shape: t.shape}
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '[' || c == ']':
			if !n.bracket(c == '[') {
				return t.misnested()
			}
			i++
		case c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(data) && numberByte(data[end]) {
				end++
			}
			x, err := strconv.ParseFloat(string(data[i:end]), 32)
			if err != nil {
				return invalid("input %s: element %d, %.40q, is no %s", t.name, len(t.floats), data[i:end], t.datatype)
			}
			if !n.number() {
				return t.misnested()
			}
			t.floats = append(t.floats, float32(x))
			i = end
		default:
			return invalid("input %s: element %d is no number", t.name, len(t.floats))
		}
	}
	return nil
}

func (t *tensor) misnested() error {
	return invalid("input %s: data is nested otherwise than its shape %v", t.name, t.shape)
}

// nesting follows the arrays of a tensor's data: pixels of another layout would be as
// many numbers, and be read as another image.
type nesting struct {
	shape shape
	open  []int64 // how many elements each array that is open has so far
	flat  bool    // the outermost holds all numbers
}

// bracket begins an array or ends one, and tells whether it may.
func (n *nesting) bracket(begins bool) bool {
	depth := len(n.open)
	if begins {
		if depth > 0 {
			n.open[depth-1]++
		}
		n.open = append(n.open, 0)
		return depth < len(n.shape) && !n.flat
	}
	has := n.open[depth-1]
	n.open = n.open[:depth-1]
	return n.flat || has == n.shape[depth-1] || depth == 1 && has == 0 // of too few numbers is told as of that
}

// number counts one, and tells whether it may stand where it does.
func (n *nesting) number() bool {
	depth := len(n.open)
	if depth == 1 && n.open[0] == 0 {
		n.flat = true
	}
	n.open[depth-1]++
	return n.flat || depth == len(n.shape)
}

func numberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

// appendBinary writes a tensor in binary.
func (t tensor) appendBinary(to []byte) []byte {
	for _, x := range t.floats {
		to = binary.LittleEndian.AppendUint32(to, math.Float32bits(x))
	}
	for _, e := range t.elements {
		to = binary.LittleEndian.AppendUint32(to, uint32(len(e)))
		to = append(to, e...)
	}
	return to
}
