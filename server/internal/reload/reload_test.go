package reload_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/server/internal/reload"
)

func TestValue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed := 0
	errBad := errors.New("bad")
	open := func() (*reload.Value[string], error) {
		return reload.Open(slog.New(slog.DiscardHandler), func() (string, error) {
			parsed++
			raw, err := os.ReadFile(file)
			if string(raw) == "a bad one" {
				return "", errBad
			}
			return string(raw), err
		}, file)
	}
	if _, err := open(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
	write("one")
	v, err := open()
	if err != nil {
		t.Fatal(err)
	}
	parsed = 0
	v.CheckEvery(0)
	get := func(want string, times int) {
		t.Helper()
		if got := v.Get(); got != want || parsed != times {
			t.Errorf("got %q, parsed %d times, want %q, %d", got, parsed, want, times)
		}
	}
	get("one", 0)
	write("another")
	get("another", 1)
	get("another", 1)
	write("a bad one")
	get("another", 2)
	get("another", 2)
	if err := v.Reload(); err != errBad {
		t.Errorf("Reload: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	get("another", 4)
	write("the last")
	get("the last", 5)
}
