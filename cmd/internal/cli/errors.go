package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrUsage marks an error in how the program was called.
var ErrUsage = errors.New("usage")

// parseNumberPrefix is what Go's parsers of numbers say of themselves.
var parseNumberPrefix = regexp.MustCompile(`strconv\.Parse\w+: parsing "[^"]*": `)

// OneLine keeps an error to one line, for people and for scripts.
func OneLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := strings.TrimPrefix(err.Error(), ErrUsage.Error()+": ")
	text = parseNumberPrefix.ReplaceAllString(text, "")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}

// Usagef makes an error in how the program was called.
func Usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUsage, fmt.Errorf(format, args...))
}
