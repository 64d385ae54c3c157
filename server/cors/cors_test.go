package cors_test

import (
	"maps"
	"strings"
	"testing"

	"eigenserve/server/cors"
)

func TestAllows(t *testing.T) {
	for _, test := range []struct {
		origins, allowed, refused string
	}{
		{"", "", "https://app.example null http://localhost"},
		{"*", "https://app.example http://localhost:3000 null chrome-extension://abc", ""},
		{"https://app.example", "https://app.example", "http://app.example https://app.example:8443 https://sub.app.example https://app.example.evil https://evilapp.example null"},
		{"HTTPS://App.Example/", "https://app.example", "http://app.example"},
		{"https://app.example:443,http://app.example:80", "https://app.example http://app.example", "https://app.example:80"},
		{"http://localhost:3000", "http://localhost:3000", "http://localhost http://localhost:3001 https://localhost:3000"},
		{"app.example", "https://app.example http://app.example", "https://app.example:8443 ftp://app.example app.example https://x.app.example"},
		{"localhost:3000,https://b.example", "http://localhost:3000 https://b.example", "http://localhost http://b.example"},
		{"http://[::1]:3000", "http://[::1]:3000", "http://[::1]"},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", "https://abcdef"},
	} {
		var list []string
		if test.origins != "" {
			list = strings.Split(test.origins, ",")
		}
		p, err := cors.New(list)
		if err != nil {
			t.Errorf("%s: %v", test.origins, err)
			continue
		}
		for _, o := range strings.Fields(test.allowed) {
			if !p.Allows(o) {
				t.Errorf("%q refuses %s", test.origins, o)
			}
		}
		for _, o := range append(strings.Fields(test.refused), "") {
			if p.Allows(o) {
				t.Errorf("%q allows %q", test.origins, o)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, origins := range []string{"null", "https://", "https://app.example/path", "https://*.app.example", "https://app.example?x", "", "https://user@app.example", "https://a b", "*,https://app.example"} {
		if _, err := cors.New(strings.Split(origins, ",")); err == nil {
			t.Errorf("%q is accepted", origins)
		}
	}
}

func TestAnswer(t *testing.T) {
	const exposed = "Eigenserve-Variant, Eigenserve-Basis, Eigenserve-Function, Server-Timing, X-Request-Id, Retry-After, Location, Allow, Inference-Header-Content-Length"
	for _, test := range []struct {
		origins, from string
		want          map[string]string
	}{
		{"*", "https://a.example", map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": exposed}},
		{"*", "", map[string]string{}},
		{"https://a.example", "https://a.example", map[string]string{"Vary": "Origin", "Access-Control-Allow-Origin": "https://a.example", "Access-Control-Expose-Headers": exposed}},
		{"https://a.example", "https://b.example", map[string]string{"Vary": "Origin"}},
		{"https://a.example", "", map[string]string{"Vary": "Origin"}},
	} {
		p, err := cors.New([]string{test.origins})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		p.Answer(test.from, func(name, value string) { got[name] = value })
		if !maps.Equal(got, test.want) {
			t.Errorf("%s from %q: got %v", test.origins, test.from, got)
		}
	}
}
