package store

import (
	"fmt"
	"strings"
)

// MaxName is the largest length of the name of a variant, alias or family, in bytes.
const MaxName = 128

// CheckName returns an error unless name is allowed for a variant, alias or family: 1
// to 128 of the characters a–z A–Z 0–9 . _ -, the first a letter or digit, without "..".
// Such a name is safe as a file name, in a path and in a log line.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: it is empty", ErrName)
	}
	if len(name) > MaxName {
		return fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrName, len(name), MaxName)
	}
	for i, c := range []byte(name) {
		if !isNameByte(c) || i == 0 && !isAlphanumeric(c) {
			return fmt.Errorf("%w %q: use letters, digits, '.', '_' and '-', and start with a letter or digit", ErrName, name)
		}
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("%w %q: '..' is not allowed", ErrName, name)
	}
	return nil
}

func isNameByte(c byte) bool { return isAlphanumeric(c) || c == '.' || c == '_' || c == '-' }

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// checkSpelling returns an error if name differs only by case from one in use: some
// file systems would keep the pointers of both in one file.
func (s *Store) checkSpelling(dir, name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if used, ok := s.spelled[fold(dir, name)]; ok && used != name {
		return fmt.Errorf("%w %q: %q exists, and some file systems take both for one file", ErrName, name, used)
	}
	return nil
}

// fold returns a key that is equal for names that differ only by case.
func fold(dir, name string) string { return dir + "/" + strings.ToLower(name) }
