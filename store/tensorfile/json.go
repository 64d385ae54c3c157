package tensorfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The header is read token by token, so that what the format does not allow is
// refused where it stands, before anything is built from it.

// readNaturals reads an array of at most limit whole numbers. They are read as
// the text they are: a float64 would lose offsets beyond 2^53.
func readNaturals(dec *json.Decoder, where string, limit int) ([]uint64, error) {
	if err := expect(dec, '[', where, "an array"); err != nil {
		return nil, err
	}
	var values []uint64
	for dec.More() {
		if len(values) == limit {
			return nil, bad("%s: more than %d numbers", where, limit)
		}
		tok, err := next(dec)
		if err != nil {
			return nil, err
		}
		number, ok := tok.(json.Number)
		if !ok {
			return nil, bad("%s: %v is not a number", where, tok)
		}
		v, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil {
			return nil, bad("%s: %s is not a whole number from 0 to 2^64-1", where, clip(number.String()))
		}
		values = append(values, v)
	}
	return values, expect(dec, ']', where, "the array's end")
}

// readObject reads a JSON object, calls value where each key's value stands, and
// refuses a key that comes twice: readers disagree on which of the two counts.
func readObject(dec *json.Decoder, where string, value func(key string) error) error {
	if err := expect(dec, '{', where, "an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := next(dec)
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder refuses any other key
		if seen[key] {
			return bad("%s: %s comes twice", where, clip(key))
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return expect(dec, '}', where, "the object's end")
}

func expect(dec *json.Decoder, want json.Delim, where, what string) error {
	tok, err := next(dec)
	if err != nil {
		return err
	}
	if tok != want {
		return bad("%s: %s was expected at byte %d of the header", where, what, dec.InputOffset())
	}
	return nil
}

func next(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, bad("the header's JSON ends too early")
	}
	if err != nil {
		return nil, bad("the header's JSON at byte %d: %v", dec.InputOffset(), err)
	}
	return tok, nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrHeader, fmt.Sprintf(format, args...))
}

// clip quotes a string of the file's for a message, shortened: it may be huge.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(s[:most]) + "…"
}
