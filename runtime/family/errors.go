package family

import (
	"errors"

	"eigenserve/runtime/fault"
	"eigenserve/store"
)

// Coded returns an error of the store with the code that tells its reader what to do.
// It returns nil and errors that have a code unchanged.
func Coded(err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrDigest), errors.Is(err, store.ErrDamaged):
		return fault.With(fault.Damaged, err)
	case errors.Is(err, store.ErrLocked):
		return &fault.Error{Code: fault.Busy, Text: "another process has held the lock of the store for too long; nothing was changed", Err: err}
	case store.IsFull(err):
		return &fault.Error{Code: fault.Full, Text: "the disk of the store is full; nothing was changed", Err: err}
	case store.IsReadOnly(err):
		return &fault.Error{Code: fault.Full, Text: "the store is read-only for this user; nothing was changed", Err: err}
	case errors.Is(err, store.ErrNotFound):
		return fault.With(fault.NotFound, err)
	case errors.Is(err, store.ErrBasis), errors.Is(err, store.ErrInUse), errors.Is(err, store.ErrChanged):
		return fault.With(fault.Conflict, err)
	case errors.Is(err, store.ErrName), errors.Is(err, store.ErrAlias), errors.Is(err, store.ErrFormat):
		return fault.With(fault.Invalid, err)
	}
	return fault.With(fault.Internal, err)
}

// Stored returns an error of reading a file of the store. A code that blames the request
// is replaced with Damaged: the request chose only a name.
func Stored(err error) error {
	var known *fault.Error
	if errors.As(err, &known) && (known.Code == fault.Invalid || known.Code == fault.Conflict) {
		return &fault.Error{Code: fault.Damaged, Text: known.Text, Err: err}
	}
	return err
}

// CodedChange is Coded for an error of changing a name. The damaged pointer of a name
// forbids the change, but is no failure of the store.
func CodedChange(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return fault.With(fault.Conflict, err)
	}
	return Coded(err)
}
