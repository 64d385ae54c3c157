package cli

import (
	"strings"
	"testing"
)

// Nothing that a label holds steers the terminal, and what people write stays as it is.
func TestTableEscapesWhatSteersTerminals(t *testing.T) {
	var out strings.Builder
	if err := Table(&out, [][]string{{"\x1b[31mred\n\x00", "ຂ é 'x' 👩‍👧"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `\x1b[31mred\n\x00  ຂ é 'x' 👩‍👧`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
