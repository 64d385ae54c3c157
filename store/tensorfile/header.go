package tensorfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits for the header of an untrusted file. A safetensors file consists of eight bytes
// with the header's length, the header (a JSON object) and the tensors' data.
const (
	prefixLen   = 8
	maxHeader   = 100_000_000 // the format's own limit, in bytes
	maxTensors  = 1 << 18     // far above any model; limits the memory for a header of tiny entries
	maxRank     = 32
	maxNameLen  = 1024
	metadataKey = "__metadata__"
)

// header is the result of the checks: the metadata and the names of the tensors, sorted.
// The library reads the entries again.
type header struct {
	metadata map[string]string
	names    []string
}

// entry is the header's description of one tensor.
type entry struct {
	name       string
	dtype      string
	shape      []int
	begin, end uint64 // in the data area
}

// checkHeader checks a file. Its error wraps ErrHeader and says where the file is invalid.
func checkHeader(data []byte) (header, error) {
	text, err := headerText(data)
	if err != nil {
		return header{}, err
	}
	h, entries, err := readHeader(text)
	if err != nil {
		return header{}, err
	}
	if err := checkCoverage(entries, uint64(len(data)-prefixLen-len(text))); err != nil {
		return header{}, err
	}
	h.names = make([]string, len(entries))
	for i, e := range entries {
		h.names[i] = e.name
	}
	slices.Sort(h.names)
	return h, nil
}

// headerText returns the JSON text of the header.
func headerText(data []byte) ([]byte, error) {
	if len(data) < prefixLen {
		return nil, headerError("the file has %d bytes, fewer than the %d of the header's length", len(data), prefixLen)
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > maxHeader:
		return nil, headerError("the header claims %d bytes, the limit is %d", n, maxHeader)
	case n > uint64(len(data)-prefixLen):
		return nil, headerError("the header claims %d bytes, but only %d follow: the file is truncated", n, len(data)-prefixLen)
	}
	text := data[prefixLen : prefixLen+n]
	if len(text) == 0 || text[0] != '{' {
		return nil, headerError("the header does not begin with '{'")
	}
	if !utf8.Valid(text) {
		return nil, headerError("the header is not valid UTF-8")
	}
	return text, nil
}

// readHeader reads the JSON object and checks each entry on its own.
func readHeader(text []byte) (header, []entry, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var h header
	var entries []entry
	err := readObject(dec, "the header", func(key string) error {
		if key == metadataKey {
			var err error
			h.metadata, err = readMetadata(dec)
			return err
		}
		if len(entries) == maxTensors {
			return headerError("more than %d tensors", maxTensors)
		}
		if err := checkName(key); err != nil {
			return headerError("tensor %s: %v", clip(key), err)
		}
		e, err := readEntry(dec, key)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return header{}, nil, err
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return header{}, nil, headerError("text after the header's object, at byte %d", dec.InputOffset())
	}
	return h, entries, nil
}

// checkName returns an error for a tensor name that other tools could not hold or show.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case name == metadataKey:
		return errors.New("the name is reserved for metadata")
	case len(name) > maxNameLen:
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(name), maxNameLen)
	case strings.ContainsRune(name, 0):
		return errors.New("the name contains a NUL")
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	}
	return nil
}

func readMetadata(dec *json.Decoder) (map[string]string, error) {
	metadata := map[string]string{}
	err := readObject(dec, metadataKey, func(key string) error {
		tok, err := next(dec)
		if err != nil {
			return err
		}
		value, ok := tok.(string)
		if !ok {
			return headerError("%s: the value of %s is not a string", metadataKey, clip(key))
		}
		metadata[key] = value
		return nil
	})
	return metadata, err
}

// readEntry reads {"dtype":…,"shape":…,"data_offsets":…} and checks what it can without the
// other entries: the type, the shape, and that the length of the byte range fits them.
func readEntry(dec *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	where := "tensor " + clip(name)
	fields := 0
	err := readObject(dec, where, func(key string) (err error) {
		fields++
		switch key {
		case "dtype":
			e.dtype, err = readDType(dec, where)
		case "shape":
			e.shape, err = readShape(dec, where)
		case "data_offsets":
			e.begin, e.end, err = readOffsets(dec, where)
		default:
			err = headerError("%s: unknown field %s", where, clip(key))
		}
		return err
	})
	if err != nil {
		return e, err
	}
	if fields != 3 {
		return e, headerError("%s: dtype, shape and data_offsets are required", where)
	}
	want, err := byteLen(e.shape, sizes[e.dtype])
	if err != nil {
		return e, fmt.Errorf("%w: %s: %w", ErrHeader, where, err)
	}
	if e.end < e.begin || e.end-e.begin != want {
		return e, headerError("%s: data_offsets [%d,%d] do not hold the %d bytes of %s %v", where, e.begin, e.end, want, e.dtype, e.shape)
	}
	return e, nil
}

func readDType(dec *json.Decoder, where string) (string, error) {
	tok, err := next(dec)
	if err != nil {
		return "", err
	}
	dtype, ok := tok.(string)
	if !ok {
		return "", headerError("%s: dtype is not a string", where)
	}
	if _, ok := sizes[dtype]; !ok {
		return "", fmt.Errorf("%w: %s: %w %s", ErrHeader, where, ErrDType, clip(dtype))
	}
	return dtype, nil
}

func readShape(dec *json.Decoder, where string) ([]int, error) {
	values, err := readNaturals(dec, where+": shape", maxRank)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(values))
	for i, v := range values {
		if v > math.MaxInt {
			return nil, headerError("%s: shape: dimension %d is too large", where, v)
		}
		shape[i] = int(v)
	}
	return shape, nil
}

func readOffsets(dec *json.Decoder, where string) (begin, end uint64, err error) {
	values, err := readNaturals(dec, where+": data_offsets", 2)
	if err != nil {
		return 0, 0, err
	}
	if len(values) != 2 {
		return 0, 0, headerError("%s: data_offsets holds %d numbers, not 2", where, len(values))
	}
	return values[0], values[1], nil
}

// checkCoverage returns an error unless the byte ranges of the entries cover the data area
// of size bytes without overlap or gap.
func checkCoverage(entries []entry, size uint64) error {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.begin != b.begin {
			return cmp.Compare(a.begin, b.begin)
		}
		return cmp.Compare(a.end, b.end)
	})
	var end uint64
	for _, e := range entries {
		switch {
		case e.end > size:
			return headerError("tensor %s: data_offsets [%d,%d] reach beyond the file's %d bytes of data", clip(e.name), e.begin, e.end, size)
		case e.begin < end:
			return headerError("tensor %s: data_offsets [%d,%d] overlap the previous tensor, which ends at %d", clip(e.name), e.begin, e.end, end)
		case e.begin > end:
			return headerError("tensor %s: data_offsets [%d,%d] leave a gap from byte %d", clip(e.name), e.begin, e.end, end)
		}
		end = e.end
	}
	if end != size {
		return headerError("%d bytes of data follow the last tensor, which ends at %d", size-end, end)
	}
	return nil
}
