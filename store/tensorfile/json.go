package tensorfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The header is read token by token, so that an error can say where it is, and nothing is
// built from an invalid header.

// readNaturals reads an array of at most limit whole numbers. It does not go through
// float64, which would round offsets above 2^53.
func readNaturals(dec *json.Decoder, where string, limit int) ([]uint64, error) {
	if err := expect(dec, '[', where, "an array"); err != nil {
		return nil, err
	}
	var values []uint64
	for dec.More() {
		if len(values) == limit {
			return nil, headerError("%s: more than %d numbers", where, limit)
		}
		tok, err := next(dec)
		if err != nil {
			return nil, err
		}
		number, ok := tok.(json.Number)
		if !ok {
			return nil, headerError("%s: %v is not a number", where, tok)
		}
		v, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil {
			return nil, headerError("%s: %s is not a whole number from 0 to 2^64-1", where, clip(number.String()))
		}
		values = append(values, v)
	}
	return values, expect(dec, ']', where, "the end of the array")
}

// readObject reads a JSON object and calls value to read the value of each key. It refuses
// a repeated key, since readers differ on which value counts.
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
		key := tok.(string) // the decoder allows no other key
		if seen[key] {
			return headerError("%s: %s is repeated", where, clip(key))
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return expect(dec, '}', where, "the end of the object")
}

func expect(dec *json.Decoder, want json.Delim, where, what string) error {
	tok, err := next(dec)
	if err != nil {
		return err
	}
	if tok != want {
		return headerError("%s: expected %s at byte %d of the header", where, what, dec.InputOffset())
	}
	return nil
}

func next(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, headerError("the header's JSON ends too early")
	}
	if err != nil {
		return nil, headerError("the header's JSON at byte %d: %v", dec.InputOffset(), err)
	}
	return tok, nil
}

// headerError returns an error that wraps ErrHeader.
func headerError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrHeader, fmt.Sprintf(format, args...))
}

// clip quotes a string from the file for a message, shortened if it is long.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(s[:most]) + "…"
}
