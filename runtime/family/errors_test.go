package family_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/store"
	"eigenserve/store/backend"
)

// pathError returns the error of a file system call on a file called secret.
func pathError(cause error) error {
	return fmt.Errorf("store: %w", &fs.PathError{Op: "open", Path: "secret", Err: cause})
}

func TestCoded(t *testing.T) {
	for _, c := range []struct {
		err  error
		code fault.Code
	}{
		{store.ErrDigest, fault.Damaged},
		{store.ErrDamaged, fault.Damaged},
		{store.ErrLocked, fault.Busy},
		{store.ErrNotFound, fault.NotFound},
		{store.ErrBasis, fault.Conflict},
		{store.ErrInUse, fault.Conflict},
		{store.ErrChanged, fault.Conflict},
		{store.ErrName, fault.Invalid},
		{store.ErrAlias, fault.Invalid},
		{store.ErrFormat, fault.Invalid},
		{pathError(backend.ErrFull), fault.Full},
		{pathError(backend.ErrDenied), fault.Full},
		{pathError(syscall.EROFS), fault.Full},
		{pathError(syscall.EACCES), fault.Full},
		{pathError(syscall.EPERM), fault.Full},
		{errors.New("unknown"), fault.Internal},
		{fault.Errorf(fault.Refused, "coded before"), fault.Refused},
	} {
		wrapped := fmt.Errorf("context: %w", c.err)
		err := family.Coded(wrapped)
		if testfamily.CodeOf(err) != c.code || !errors.Is(err, c.err) {
			t.Errorf("%v: code %d, want %d", c.err, testfamily.CodeOf(err), c.code)
		}
		// The text of a full or read-only disk is for the user, who must not see paths.
		if known, ok := errors.AsType[*fault.Error](err); ok && c.code == fault.Full && strings.Contains(known.Text, "secret") {
			t.Errorf("%v: the text %q has a path", c.err, known.Text)
		}
	}
	if err := family.Coded(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
}

func TestStoredAndCodedChange(t *testing.T) {
	for _, c := range []struct {
		name string
		got  error
		code fault.Code
	}{
		{"Stored of Invalid", family.Stored(fault.Errorf(fault.Invalid, "x")), fault.Damaged},
		{"Stored of Conflict", family.Stored(fault.Errorf(fault.Conflict, "x")), fault.Damaged},
		{"Stored of NotFound", family.Stored(fault.Errorf(fault.NotFound, "x")), fault.NotFound},
		{"CodedChange of a damaged pointer", family.CodedChange(store.ErrDamaged), fault.Conflict},
		{"CodedChange of a damaged file", family.CodedChange(store.ErrDigest), fault.Damaged},
	} {
		if code := testfamily.CodeOf(c.got); code != c.code {
			t.Errorf("%s: code %d, want %d", c.name, code, c.code)
		}
	}
	if err := errors.Join(family.Stored(nil), family.CodedChange(nil)); err != nil {
		t.Errorf("nil became %v", err)
	}
}
