package plainjson_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"eigenserve/runtime/plainjson"
)

type side int

func (s *side) UnmarshalJSON(data []byte) error {
	if _, err := fmt.Sscan(string(data), (*int)(s)); err != nil {
		return errors.New(string(data) + " has no sides")
	}
	return nil
}

type settings struct {
	Whole  int            `json:"whole"`
	Part   float64        `json:"part"`
	Text   *string        `json:"text"`
	Flag   *bool          `json:"flag"`
	List   []float64      `json:"list,omitempty"`
	Map    map[string]int `json:"map"`
	Nested struct {
		Inner int `json:"inner"`
	} `json:"nested"`
	Side side `json:"side"`
}

func TestUnmarshal(t *testing.T) {
	s := settings{Whole: 7, Part: 0.5}
	text := `{"part":null,"WHOLE":8,"unknown":[1],"text":"x","flag":true,"list":[1,2.5],"nested":{"inner":3},"side":4,"side":5}`
	if err := plainjson.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if s.Whole != 7 || s.Part != 0.5 || *s.Text != "x" || !*s.Flag || len(s.List) != 2 || s.Nested.Inner != 3 || s.Side != 5 {
		t.Errorf("%+v", s)
	}
}

func TestUnmarshalErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                               "it is not valid JSON: line 1, column 0: unexpected end of JSON input",
		"{\n \"a\": 1,\n}":               "it is not valid JSON: line 3, column 1: invalid character '}' looking for beginning of object key string",
		"\ufeff{}":                       "it begins with a byte order mark; save it without one",
		`null`:                           "it is null, not an object",
		`[]`:                             "it is a list, not an object",
		`5`:                              "it is a number, not an object",
		`{"whole":"5"}`:                  "whole is text, not a whole number",
		`{"whole":5.5}`:                  "whole is 5.5, not a whole number",
		`{"whole":99999999999999999999}`: "whole is 99999999999999999999, which is out of range",
		`{"part":1e999}`:                 "part is 1e999, which is out of range",
		`{"part":[1]}`:                   "part is a list, not a number",
		`{"text":5}`:                     "text is a number, not text",
		`{"flag":1}`:                     "flag is a number, not true or false",
		`{"list":{}}`:                    "list is an object, not a list",
		`{"map":true}`:                   "map is true or false, not an object",
		`{"nested":{"inner":"x"}}`:       "nested.inner is text, not a whole number",
		`{"nested":[]}`:                  "nested is a list, not an object",
		`{"side":"x"}`:                   `side "x" has no sides`,
		`{"whole":"5","text":5}`:         "whole is text, not a whole number\ntext is a number, not text",
	} {
		err := plainjson.Unmarshal([]byte(text), &settings{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %q, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "json:") || strings.Contains(err.Error(), "Go ")) {
			t.Errorf("%s: %q speaks of Go", text, err)
		}
	}
}

// What Python's str makes of the values that json.loads returns.
func TestText(t *testing.T) {
	for text, want := range map[string]string{
		`"a"`: "a", `""`: "", `"\u00e9"`: "é",
		`0`: "0", `-1`: "-1", `12345678901234567890`: "12345678901234567890",
		`1.0`: "1.0", `1.50`: "1.5", `-0.25`: "-0.25", `1e5`: "100000.0", `1e15`: "1000000000000000.0", `1e16`: "1e+16", `1e20`: "1e+20",
		`0.0001`: "0.0001", `0.00001`: "1e-05", `1.5E-7`: "1.5e-07",
		`true`: "True", `false`: "False",
	} {
		var got plainjson.Text
		if err := got.UnmarshalJSON([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`null`, `["a"]`, `{"a":1}`} {
		if err := new(plainjson.Text).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is taken for text", text)
		}
	}
}
