package folder

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"eigenserve/store/backend"
)

// classed returns an error with the text of err that also matches the errors of package
// backend.
func classed(err error) error {
	if err == nil {
		return nil
	}
	return systemError{err}
}

// systemError wraps an error of the operating system.
type systemError struct{ error }

// Unwrap returns the error of the operating system.
func (e systemError) Unwrap() error { return e.error }

// Is reports whether the error matches one of package backend.
func (e systemError) Is(class error) bool {
	switch class {
	case backend.ErrFull:
		return e.isAny(noSpace[:])
	case backend.ErrDenied:
		return e.isAny([]error{fs.ErrPermission, syscall.EROFS})
	case backend.ErrUnavailable:
		return e.isAny([]error{fs.ErrPermission, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM})
	}
	return false
}

func (e systemError) isAny(errs []error) bool {
	return slices.ContainsFunc(errs, func(target error) bool { return errors.Is(e.error, target) })
}
