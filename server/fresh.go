package server

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// freshFor is how long a file that was looked at counts as unchanged.
const freshFor = time.Second

// fresh is what was read from some files. It is read anew when they change; while
// they can't be read, the last good value holds.
type fresh[T any] struct {
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

// openFresh reads the files for the first time; only then is a fault an error.
func openFresh[T any](log *slog.Logger, load func() (T, error), paths ...string) (*fresh[T], error) {
	f := &fresh[T]{paths: paths, load: load, log: log, every: freshFor, seen: stamps(paths)}
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

// get is the value, after a look at the files if the last was a while ago.
func (f *fresh[T]) get() T {
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

// reload reads the files whether they changed or not.
func (f *fresh[T]) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(stamps(f.paths))
}

// read needs the lock.
func (f *fresh[T]) read(s []stamp) error {
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
