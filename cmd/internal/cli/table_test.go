package cli_test

import (
	"strings"
	"testing"

	"eigenserve/cmd/internal/cli"
)

// Control characters are escaped; letters of any script are not.
func TestTableEscapesControlCharacters(t *testing.T) {
	var out strings.Builder
	if err := cli.Table(&out, [][]string{{"\x1b[31mred\n\x00", "ຂ é 'x' 👩‍👧"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `\x1b[31mred\n\x00  ຂ é 'x' 👩‍👧`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
