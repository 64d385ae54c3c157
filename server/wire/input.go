package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"eigenserve/runtime"
)

// MarshalJSON returns a value as JSON. Unlike json.Marshal it leaves <, > and & as they
// are: answers are never part of a page, and people read them.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// JSONFault says where a JSON body is wrong, without Go's names for types.
func JSONFault(err error) string {
	switch err := err.(type) {
	case *json.UnmarshalTypeError:
		if err.Field == "" {
			return fmt.Sprintf("it has the wrong type (%s)", err.Value)
		}
		return fmt.Sprintf("%q has the wrong type (%s)", err.Field, err.Value)
	case *json.SyntaxError:
		return fmt.Sprintf("%v at byte %d", err, err.Offset)
	default:
		return "malformed"
	}
}

// DecodeImage reads an image in base64, padded or not, or in a data: URL.
func DecodeImage(text string) ([]byte, error) {
	if strings.HasPrefix(text, "data:") {
		head, data, found := strings.Cut(text, ",")
		if !found || !strings.HasSuffix(head, ";base64") {
			return nil, runtime.Errorf(runtime.Invalid, "a data: URL must be base64")
		}
		text = data
	}
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		return nil, runtime.Errorf(runtime.Invalid, "the image must be in base64; this server does not fetch URLs")
	}
	image, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=\r\n "))
	if err != nil {
		return nil, runtime.Errorf(runtime.Invalid, "the image is not base64: %v", err)
	}
	if len(image) == 0 {
		return nil, runtime.Errorf(runtime.Invalid, "the image is empty")
	}
	return image, nil
}
