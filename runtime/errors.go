package runtime

import (
	"fmt"
	"time"
)

// Code classes an error by what its reader should do.
type Code int

const (
	Internal    Code = iota // a fault of ours; the text is for the log
	Invalid                 // the request is wrong
	NotFound                // no such variant or family
	Conflict                // a variant of another basis, a name of another family
	TooLarge                // over a limit
	Unsupported             // not an image, an unknown format
	Busy                    // every slab leased, queues full: try again later
	Damaged                 // a stored file fails its digest
	Closed                  // the engine is closing
	Unloaded                // the model was unloaded by request
	Overloaded              // more is asked than can be answered in time: try again later
	Deadline                // the request's deadline passed
	Full                    // no room on the disk for a change, or no leave to write; nothing was changed
	Refused                 // a checkpoint that can't keep its answers in the bytes it is given
)

// Error is an error whose text may be shown to the caller, unless its code is
// Internal.
type Error struct {
	Code Code
	Text string
	Err  error // cause, for errors.Is; its text is part of Text where wanted
	// RetryAfter is when to try again, where Code is Overloaded.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a code; %w keeps the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Err: err}
}
