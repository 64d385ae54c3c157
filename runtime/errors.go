package runtime

import "eigenserve/runtime/fault"

// Error is the error type of the engine: a text for the caller and a Code that says
// what to do about it.
type Error = fault.Error

// Code classes an error by what its reader should do.
type Code = fault.Code

// The codes of package fault.
const (
	Internal    = fault.Internal
	Invalid     = fault.Invalid
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict
	TooLarge    = fault.TooLarge
	Unsupported = fault.Unsupported
	Busy        = fault.Busy
	Damaged     = fault.Damaged
	Closed      = fault.Closed
	Unloaded    = fault.Unloaded
	Overloaded  = fault.Overloaded
	Deadline    = fault.Deadline
	Full        = fault.Full
	Refused     = fault.Refused
)

// Errorf returns an Error with a formatted text; %w sets the cause.
func Errorf(code Code, format string, args ...any) *Error {
	return fault.Errorf(code, format, args...)
}
