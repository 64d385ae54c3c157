package auth_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/server/auth"
)

func TestTokenFiles(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("x")))
	long := strings.Repeat("t", 16)
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string // "": it is valid
	}{
		{"hashed", "tokens: [{name: a, sha256: " + sum + ", scopes: [read]}]", 0o644, ""},
		{"plain text", "tokens: [{name: a, token: " + long + ", scopes: [read, infer, admin], models: ['a*', b]}]", 0o600, ""},
		{"plain text that others can read", "tokens: [{name: a, token: " + long + ", scopes: [read]}]", 0o640, "can be read by others"},
		{"writable by others", "tokens: [{name: a, sha256: " + sum + ", scopes: [read]}]", 0o666, "can be written by others"},
		{"empty", "", 0o600, "contains no tokens"},
		{"not YAML", "tokens: [", 0o600, "yaml"},
		{"an unknown key", "tokens: [{name: a, sha256: " + sum + ", scope: [read]}]", 0o600, "scope not found"},
		{"no name", "tokens: [{sha256: " + sum + ", scopes: [read]}]", 0o600, "needs a name"},
		{"no token", "tokens: [{name: a, scopes: [read]}]", 0o600, "either token or sha256"},
		{"both", "tokens: [{name: a, token: " + long + ", sha256: " + sum + ", scopes: [read]}]", 0o600, "either token or sha256"},
		{"a short token", "tokens: [{name: a, token: abc, scopes: [read]}]", 0o600, "shorter than 16"},
		{"a short digest", "tokens: [{name: a, sha256: abcd, scopes: [read]}]", 0o600, "64 hexadecimal"},
		{"no scopes", "tokens: [{name: a, sha256: " + sum + "}]", 0o600, "needs scopes"},
		{"an unknown scope", "tokens: [{name: a, sha256: " + sum + ", scopes: [root]}]", 0o600, `"root"`},
		{"an empty scope", "tokens: [{name: a, sha256: " + sum + ", scopes: ['']}]", 0o600, `scope ""`},
		{"a bad pattern", "tokens: [{name: a, sha256: " + sum + ", scopes: [read], models: ['[']}]", 0o600, "not a valid pattern"},
		{"a rate", "tokens: [{name: a, sha256: " + sum + ", scopes: [infer], rate: 0.5}]", 0o600, ""},
		{"a rate of zero", "tokens: [{name: a, sha256: " + sum + ", scopes: [infer], rate: 0}]", 0o600, "rate 0"},
		{"a negative rate", "tokens: [{name: a, sha256: " + sum + ", scopes: [infer], rate: -1}]", 0o600, "rate -1"},
		{"a rate that is not a number", "tokens: [{name: a, sha256: " + sum + ", scopes: [infer], rate: .nan}]", 0o600, "rate NaN"},
		{"two with the same name", "tokens: [{name: a, sha256: " + sum + ", scopes: [read]}, {name: a, token: " + long + ", scopes: [read]}]", 0o600, "same name"},
		{"the same token twice", "tokens: [{name: a, sha256: " + sum + ", scopes: [read]}, {name: b, sha256: " + sum + ", scopes: [read]}]", 0o600, "same token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tokens")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := auth.OpenTokens(file, slog.Default())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && slices.ContainsFunc([]string{long, sum}, func(s string) bool { return strings.Contains(err.Error(), s) }) {
				t.Errorf("the error shows a token: %v", err)
			}
		})
	}
}
