package store

import (
	"fmt"
	"strings"
)

// MaxName is the largest length of a variant's or family's name, in bytes.
const MaxName = 128

// CheckName tells whether a variant or family may bear this name: 1 to 128 of
// the characters a–z A–Z 0–9 . _ -, starting with a letter or digit, without
// "..". Such a name is safe as a file name, in a path and in a log line.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: it is empty", ErrName)
	}
	if len(name) > MaxName {
		return fmt.Errorf("%w: %d bytes long, at most %d are allowed", ErrName, len(name), MaxName)
	}
	for i, c := range []byte(name) {
		if !nameByte(c) || i == 0 && !alphanumeric(c) {
			return fmt.Errorf("%w %q: use letters, digits, '.', '_' and '-', and start with a letter or digit", ErrName, name)
		}
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("%w %q: '..' is not allowed", ErrName, name)
	}
	return nil
}

func nameByte(c byte) bool { return alphanumeric(c) || c == '.' || c == '_' || c == '-' }

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// spelling refuses a name that differs by case alone from one in use: some
// systems would keep the pointers of both in one file.
func (s *Store) spelling(folder, name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if used, ok := s.spelled[fold(folder, name)]; ok && used != name {
		return fmt.Errorf("%w %q: %q is there, and some systems take both for one file", ErrName, name, used)
	}
	return nil
}

func fold(folder, name string) string { return folder + "/" + strings.ToLower(name) }
