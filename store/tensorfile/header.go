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

// What an untrusted header may ask for. A safetensors file is eight bytes that
// give the header's length, the header (a JSON object) and the tensors' data.
const (
	prefixLen   = 8
	maxHeader   = 100_000_000 // the format's own limit, in bytes
	maxTensors  = 1 << 18     // far above any model; bounds the memory that a header of tiny entries takes
	maxRank     = 32
	maxNameLen  = 1024
	metadataKey = "__metadata__"
)

// header is what the checks leave known: the free-form metadata and every
// tensor's name, sorted. The entries themselves are read again by the library.
type header struct {
	metadata map[string]string
	names    []string
}

// entry is one tensor as the header describes it.
type entry struct {
	name       string
	dtype      string
	shape      []int
	begin, end uint64 // in the data area
}

// checkHeader refuses whatever is not a sound file, with an error that wraps
// ErrHeader and names the place.
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

// headerText cuts the JSON text out of the file.
func headerText(data []byte) ([]byte, error) {
	if len(data) < prefixLen {
		return nil, bad("the file has %d bytes, fewer than the %d that give the header's length", len(data), prefixLen)
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > maxHeader:
		return nil, bad("the header claims %d bytes, the limit is %d", n, maxHeader)
	case n > uint64(len(data)-prefixLen):
		return nil, bad("the header claims %d bytes, only %d follow: the file is cut short", n, len(data)-prefixLen)
	}
	text := data[prefixLen : prefixLen+n]
	if len(text) == 0 || text[0] != '{' {
		return nil, bad("the header does not begin with '{'")
	}
	if !utf8.Valid(text) {
		return nil, bad("the header is not valid UTF-8")
	}
	return text, nil
}

// readHeader reads the JSON object and checks each entry by itself.
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
			return bad("more than %d tensors", maxTensors)
		}
		if err := checkName(key); err != nil {
			return bad("tensor %s: %v", clip(key), err)
		}
		e, err := readEntry(dec, key)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return header{}, nil, err
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return header{}, nil, bad("text after the header's object, at byte %d", dec.InputOffset())
	}
	return h, entries, nil
}

// checkName refuses tensor names that other tools could not hold or show.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case name == metadataKey:
		return errors.New("the name is kept for metadata")
	case len(name) > maxNameLen:
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(name), maxNameLen)
	case strings.ContainsRune(name, 0):
		return errors.New("the name holds a NUL")
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
			return bad("%s: the value of %s is not a string", metadataKey, clip(key))
		}
		metadata[key] = value
		return nil
	})
	return metadata, err
}

// readEntry reads {"dtype":…,"shape":…,"data_offsets":…} and checks what can be
// checked without the other entries: type, shape, and that the byte range is as
// long as they say.
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
			err = bad("%s: unknown field %s", where, clip(key))
		}
		return err
	})
	if err != nil {
		return e, err
	}
	if fields != 3 {
		return e, bad("%s: dtype, shape and data_offsets are needed", where)
	}
	want, err := byteLen(e.shape, sizes[e.dtype])
	if err != nil {
		return e, fmt.Errorf("%w: %s: %w", ErrHeader, where, err)
	}
	if e.end < e.begin || e.end-e.begin != want {
		return e, bad("%s: data_offsets [%d,%d] do not hold the %d bytes of %s %v", where, e.begin, e.end, want, e.dtype, e.shape)
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
		return "", bad("%s: dtype is not a string", where)
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
			return nil, bad("%s: shape: dimension %d is too large", where, v)
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
		return 0, 0, bad("%s: data_offsets holds %d numbers, not 2", where, len(values))
	}
	return values[0], values[1], nil
}

// checkCoverage holds the byte ranges against each other and the file: in order
// they must follow one another without overlap or hole and end where it ends.
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
			return bad("tensor %s: data_offsets [%d,%d] reach beyond the file's %d bytes of data", clip(e.name), e.begin, e.end, size)
		case e.begin < end:
			return bad("tensor %s: data_offsets [%d,%d] overlap the tensor before, which ends at %d", clip(e.name), e.begin, e.end, end)
		case e.begin > end:
			return bad("tensor %s: data_offsets [%d,%d] leave a hole from byte %d", clip(e.name), e.begin, e.end, end)
		}
		end = e.end
	}
	if end != size {
		return bad("%d bytes of data after the last tensor, which ends at %d", size-end, end)
	}
	return nil
}
