package plainjson

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Text is a text that may be given as a number or a boolean. It is then what Python writes
// for the value.
type Text string

// UnmarshalJSON reads any of the three.
func (t *Text) UnmarshalJSON(data []byte) error {
	switch text := string(data); {
	case text == "true":
		*t = "True"
	case text == "false":
		*t = "False"
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(t))
	case strings.Contains("-0123456789", text[:1]):
		*t = Text(numberText(text))
	default:
		return fmt.Errorf("holds %.40s, which is neither text nor a number", data)
	}
	return nil
}

// numberText returns how Python writes a JSON number.
func numberText(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.ContainsAny(text, ".eE") {
		return text
	}
	scientific := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(scientific, "e")
	if e, _ := strconv.Atoi(exponent); e < -4 || e >= 16 {
		return scientific
	}
	if plain := strconv.FormatFloat(f, 'f', -1, 64); strings.Contains(plain, ".") {
		return plain
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}
