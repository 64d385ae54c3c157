package folder

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"eigenserve/store/backend"
)

// classed returns err as an error that matches the errors of package backend too.
func classed(err error) error {
	if err == nil {
		return nil
	}
	return systemError{err}
}

// systemError is an error of the operating system, or one that wraps it.
type systemError struct{ error }

// Unwrap returns the error of the operating system.
func (e systemError) Unwrap() error { return e.error }

// Is reports whether the error belongs to one of package backend's classes.
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
