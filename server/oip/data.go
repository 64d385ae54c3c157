package oip

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"eigenserve/server/wire"
)

// tensor reads the data of an input, from its JSON or from the start of the binary part
// of the body, and returns what is left of that. It allocates memory in proportion to the
// bytes that were sent.
func (in restInput) tensor(binary []byte) (t tensor, rest []byte, err error) {
	if in.Parameters.SharedMemory != nil {
		return t, nil, errSharedMemory
	}
	n, err := checkInput(in.Name, in.Datatype, in.Shape)
	if err != nil {
		return t, nil, err
	}
	t = tensor{name: in.Name, datatype: in.Datatype, shape: in.Shape}
	size := in.Parameters.BinarySize
	if size == nil {
		return t, binary, t.readJSON(in.Data, n)
	}
	switch {
	case in.Data != nil:
		return t, nil, invalid("input %s has both data and binary_data_size: give one of them", t.name)
	case *size < 0 || *size > int64(len(binary)):
		return t, nil, invalid("input %s: binary_data_size is %d, but %d bytes of the body are left", t.name, *size, len(binary))
	}
	return t, binary[*size:], t.readBinary(binary[:*size], n)
}

// readBinary reads n elements of a tensor: little-endian numbers, or byte strings that
// each follow a length of 4 bytes.
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
			return t.checkCount(n+1, n)
		}
		t.elements = append(t.elements, raw[4:4+size:4+size])
		raw = raw[4+size:]
	}
	return t.checkCount(len(t.elements), n)
}

// appendBinary appends the elements of a tensor in binary.
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

// readJSON reads n elements of a tensor from a JSON array. Numbers are nested as the shape
// is, or flat; the elements of BYTES are base64, since an image is not text.
func (t *tensor) readJSON(data json.RawMessage, n int) error {
	if len(data) == 0 || data[0] != '[' {
		return invalid("input %s needs data, an array", t.name)
	}
	if t.datatype == FP32 {
		t.floats = make([]float32, 0, min(n, len(data)/2+1)) // a number and its comma take at least two bytes
		if err := t.readNumbers(data); err != nil {
			return err
		}
		return t.checkCount(len(t.floats), n)
	}
	return t.readImages(data, n)
}

// readImages reads the elements one by one, so that it keeps none of too many.
func (t *tensor) readImages(data []byte, n int) error {
	d := json.NewDecoder(bytes.NewReader(data))
	_, _ = d.Token() // the bracket
	for d.More() {
		if len(t.elements) == n {
			return t.checkCount(n+1, n)
		}
		var text string
		if err := d.Decode(&text); err != nil {
			return invalid("input %s: element %d is not an image in base64", t.name, len(t.elements))
		}
		image, err := wire.DecodeImage(text)
		if err != nil {
			return invalid("input %s: element %d: %v", t.name, len(t.elements), err)
		}
		t.elements = append(t.elements, image)
	}
	return t.checkCount(len(t.elements), n)
}

// readNumbers appends the numbers of an array, which is known to be valid JSON.
func (t *tensor) readNumbers(data []byte) error {
	n := nesting{shape: t.shape}
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '[' || c == ']':
			if !n.bracket(c == '[') {
				return t.nestingError()
			}
			i++
		case c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(data) && isNumberByte(data[end]) {
				end++
			}
			x, err := strconv.ParseFloat(string(data[i:end]), 32)
			if err != nil {
				return invalid("input %s: element %d, %.40q, is not a valid %s", t.name, len(t.floats), data[i:end], t.datatype)
			}
			if !n.number() {
				return t.nestingError()
			}
			t.floats = append(t.floats, float32(x))
			i = end
		default:
			return invalid("input %s: element %d is not a number", t.name, len(t.floats))
		}
	}
	return nil
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'
}

func (t *tensor) nestingError() error {
	return invalid("input %s: data is not nested as its shape %v", t.name, t.shape)
}
