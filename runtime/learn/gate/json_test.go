package gate_test

import (
	"testing"

	"eigenserve/runtime/learn/gate"
)

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"", "{}", false},
		{`{"a":1,"b":[2]}`, "{ \"b\": [2.0],\n \"a\": 1 }", true},
		{`{"a":1}`, `{"a":2}`, false},
		{"no JSON", "no JSON", true},
		{"no JSON", "none", false},
	} {
		if gate.SameJSON([]byte(c.a), []byte(c.b)) != c.same || gate.SameJSON([]byte(c.b), []byte(c.a)) != c.same {
			t.Errorf("%q and %q: the same %t", c.a, c.b, !c.same)
		}
	}
}
