package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"eigenserve/runtime/fault"
)

// ErrUsage is the target of errors.Is for an error in how the program was called.
var ErrUsage = errors.New("usage")

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error        { return e.error }

// Usagef returns an error that is ErrUsage.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// parseNumberPrefix is how errors of Go's number parsers begin.
var parseNumberPrefix = regexp.MustCompile(`strconv\.Parse\w+: parsing "[^"]*": `)

// Lists says which commands list the names of a kind.
var Lists = map[string]string{"model": "`eigenserve ls` lists them", "alias": "`eigenserve alias` lists them", "family": "`eigenserve fit` makes one"}

// OneLine returns the text of an error on one line, for people and for scripts.
func OneLine(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	text := parseNumberPrefix.ReplaceAllString(err.Error(), "")
	if known, ok := errors.AsType[*fault.Error](err); ok {
		text += known.Advice(nil, Lists)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}
