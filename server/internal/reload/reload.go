// Package reload keeps what was parsed from files up to date while a server runs.
package reload

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// interval is how long a file that was looked at counts as unchanged.
const interval = time.Second

// Value is what was read from some files. It is read anew when they change; while
// they can't be read, the last good value holds.
type Value[T any] struct {
	paths []string
	load  func() (T, error)
	log   *slog.Logger
	every time.Duration

	mu    sync.Mutex // guards the rest
	value T
	seen  []stamp   // of the files when they were read last
	next  time.Time // when to look again
}

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
	mode     fs.FileMode
}

// Open reads the files for the first time; only then is a fault an error.
func Open[T any](log *slog.Logger, load func() (T, error), paths ...string) (*Value[T], error) {
	f := &Value[T]{paths: paths, load: load, log: log, every: interval, seen: stamps(paths)}
	var err error
	if f.value, err = load(); err != nil {
		return nil, err
	}
	f.next = time.Now().Add(f.every)
	return f, nil
}

// stamps are taken before the files are read: a change meanwhile is then seen
// the next time.
func stamps(paths []string) []stamp {
	out := make([]stamp, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			out[i] = stamp{info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return out
}

// Get is the value, after a look at the files if the last was a while ago.
func (f *Value[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Before(f.next) {
		return f.value
	}
	f.next = now.Add(f.every)
	if s := stamps(f.paths); !slices.Equal(s, f.seen) {
		_ = f.read(s)
	}
	return f.value
}

// CheckEvery sets how long a look at the files lasts; with 0 each Get looks.
func (f *Value[T]) CheckEvery(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.every, f.next = d, time.Time{}
}

// Reload reads the files whether they changed or not.
func (f *Value[T]) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(stamps(f.paths))
}

// read needs the lock.
func (f *Value[T]) read(s []stamp) error {
	f.seen = s
	value, err := f.load()
	if err != nil {
		f.log.Error("a changed file is not taken over; what was read before still holds", "files", f.paths, "error", err)
		return err
	}
	f.value = value
	f.log.Info("read again", "files", f.paths)
	return nil
}
