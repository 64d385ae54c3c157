package servertest

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/server/auth"
)

// Secret returns the token of a name in a TokenFile.
func Secret(name string) string { return name + "-" + strings.Repeat("s", 20) }

// Bearer returns the header of a request with the token of a name.
func Bearer(name string) []string { return []string{"Authorization", "Bearer " + Secret(name)} }

// TokenFile writes a file of tokens, one for each line "name scopes models rate", the
// last two of which may be left out.
func TokenFile(t *testing.T, lines ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("tokens:\n")
	for _, line := range lines {
		part := append(strings.Fields(line), "", "null")
		fmt.Fprintf(&b, "  - {name: %s, sha256: %x, scopes: [%s], models: [%s], rate: %s}\n", part[0], sha256.Sum256([]byte(Secret(part[0]))), part[1], part[2], part[3])
	}
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Tokens returns the tokens of a TokenFile.
func Tokens(t *testing.T, lines ...string) *auth.Tokens {
	t.Helper()
	tokens, err := auth.OpenTokens(TokenFile(t, lines...), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}
