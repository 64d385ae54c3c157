package gate_test

import (
	"testing"

	"eigenserve/runtime/learn/gate"
)

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"", "{}", false},
		{`{"a":1,"b":[2]}`, "{ \"b\": [2.0],\n \"a\": 1 }", true},
		{`{"a":1}`, `{"a":2}`, false},
		{"no JSON", "no JSON", true},
		{"no JSON", "none", false},
	} {
		for _, x := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := gate.SameJSON([]byte(x[0]), []byte(x[1])); got != c.want {
				t.Errorf("sameJSON(%q, %q) = %t", x[0], x[1], got)
			}
		}
	}
}
