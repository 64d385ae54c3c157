package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// Table writes rows in aligned columns; the first row holds the headers.
func Table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// printable escapes control characters: labels come from checkpoints of any origin,
// and must not steer the terminal.
func printable(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// PrintJSON writes v as indented JSON.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Plural returns n and the noun, such as "1 model" or "3 models".
func Plural(n int, noun string) string { return english.Plural(n, noun, "") }

// Size returns a number of bytes in binary units, such as "4.0 KiB".
func Size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Percent returns a share of 1 in percent.
func Percent(v float64) string { return fmt.Sprintf("%.2f%%", 100*v) }
