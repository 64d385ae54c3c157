// Package fault is the error type of the engine and of the packages below it. Each
// error has a code that says what its reader should do about it; servers map codes to
// statuses. The package knows neither protocols nor causes.
package fault

import (
	"fmt"
	"time"
)

// Code classes an error by what its reader should do.
type Code int

const (
	Internal    Code = iota // a bug or a failing machine; the text is for the log only
	Invalid                 // the request is wrong
	NotFound                // no such model or family
	Conflict                // a variant of another basis, a name that is taken
	TooLarge                // over a limit
	Unsupported             // a format that cannot be read
	Busy                    // every slab is leased: try again later
	Damaged                 // a stored file does not match its digest
	Closed                  // the engine is closing
	Unloaded                // the model was unloaded on request
	Overloaded              // the queue is too long to answer in time: try again later
	Deadline                // the request's deadline has passed
	Full                    // the disk is full or not writable; nothing was changed
	Refused                 // a checkpoint that cannot keep its answers in the bytes allowed
)

// Error is an error with a code. Its text may be shown to the caller unless the code
// is Internal.
type Error struct {
	Code Code
	Text string
	Err  error // the cause, for errors.Is; not printed
	// RetryAfter is how long to wait before trying again, if Code is Overloaded.
	RetryAfter time.Duration

	// Missing is what does not exist, if Code is NotFound and a name was looked up:
	// "model", "alias" or "family".
	Missing string
	// Similar returns the name of that kind which was probably meant, of those for which
	// visible reports true, or "". It may be nil, as may visible, for all names.
	Similar func(visible func(name string) bool) string
}

// NoSuch returns the error for a name of a kind that does not exist. similar may be nil.
func NoSuch(kind, name string, similar func(visible func(name string) bool) string) *Error {
	return &Error{Code: NotFound, Text: fmt.Sprintf("no %s %.200q", kind, name), Missing: kind, Similar: similar}
}

// Advice returns what to add to the text of an error about a name that does not exist: the
// name that was probably meant, or else where the names of its kind are listed. It is ""
// for any other error.
func (e *Error) Advice(visible func(name string) bool, lists map[string]string) string {
	if e.Missing == "" {
		return ""
	}
	if e.Similar != nil {
		if name := e.Similar(visible); name != "" {
			return fmt.Sprintf("; did you mean %q?", name)
		}
	}
	if where := lists[e.Missing]; where != "" {
		return "; " + where
	}
	return ""
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a formatted text; %w sets the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Err: err}
}

// With returns err as an Error of the given code, with the same text.
func With(code Code, err error) *Error {
	return &Error{Code: code, Text: err.Error(), Err: err}
}
