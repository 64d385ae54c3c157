// Package reload keeps what was parsed from files up to date while a server runs. It
// does not know what the files mean.
package reload

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// interval is how long a file that was checked counts as unchanged.
const interval = time.Second

// Value is what was parsed from some files. It is parsed again when they change. While
// they can't be read or parsed, it keeps its last good value.
type Value[T any] struct {
	paths []string
	parse func() (T, error)
	log   *slog.Logger

	mu    sync.Mutex // guards the rest
	every time.Duration
	next  time.Time // when to check the files again
	value T
	seen  []stamp // of the files when they were last read
}

// stamp identifies a state of a file.
type stamp struct {
	modified time.Time
	size     int64
	mode     fs.FileMode
}

// Open parses the files for the first time. An error then is returned; errors later are
// logged.
func Open[T any](log *slog.Logger, parse func() (T, error), paths ...string) (*Value[T], error) {
	v := &Value[T]{paths: paths, parse: parse, log: log, every: interval, seen: stamps(paths)}
	var err error
	if v.value, err = parse(); err != nil {
		return nil, err
	}
	v.next = time.Now().Add(v.every)
	return v, nil
}

// stamps returns the stamps of files, zero for those that can't be looked at. It is called
// before the files are read, so that a change in between is noticed the next time.
func stamps(paths []string) []stamp {
	out := make([]stamp, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			out[i] = stamp{info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return out
}

// CheckEvery sets how long files count as unchanged after they were checked; 0 makes
// every Get check them.
func (v *Value[T]) CheckEvery(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.every, v.next = d, time.Time{}
}

// Get returns the value, parsed again if the files have changed.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if now.Before(v.next) {
		return v.value
	}
	v.next = now.Add(v.every)
	if s := stamps(v.paths); !slices.Equal(s, v.seen) {
		_ = v.read(s)
	}
	return v.value
}

// Reload parses the files whether they have changed or not.
func (v *Value[T]) Reload() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.read(stamps(v.paths))
}

// read parses the files, whose stamps are s. It is called with mu held.
func (v *Value[T]) read(s []stamp) error {
	v.seen = s
	value, err := v.parse()
	if err != nil {
		v.log.Error("cannot reload files; keeping what was read before", "files", v.paths, "error", err)
		return err
	}
	v.value = value
	v.log.Info("reloaded", "files", v.paths)
	return nil
}
