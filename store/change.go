package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Several processes may have one store open. Changes are ordered by a lock on
// the file lockName, which the system lets go when its holder ends, however it
// ends. The file changesName holds a number that is odd while a change is under
// way and grows with each, so that whoever has the folder in memory sees that
// another changed it by reading twenty bytes (a sequence lock).
const (
	lockName    = "lock"
	changesName = "changes"
)

// ErrLocked marks a change that waited in vain for another process's.
var ErrLocked = errors.New("locked by another process")

// lockPatience is how long a change waits for that of another process: longer
// than the largest basis takes to be written.
var lockPatience = time.Minute

// begin orders a change of the folder after all others, of this process and of
// any other, and brings the catalogue up to date with those. end must be called
// once after it.
func (s *Store) begin() (end func(), err error) {
	s.change.Lock()
	lock := flock.New(filepath.Join(s.dir, lockName))
	if err := acquire(lock); err != nil {
		s.change.Unlock()
		return nil, fmt.Errorf("store: %q: %w", s.dir, err)
	}
	n, err := s.settle()
	if err == nil {
		err = s.writeChanges(n + 1)
	}
	if err != nil {
		lock.Close()
		s.change.Unlock()
		return nil, fmt.Errorf("store: %w", err)
	}
	return func() {
		if s.writeChanges(n+2) == nil && !s.unsure {
			s.seen = n + 2
		}
		s.unsure = false
		lock.Close()
		s.change.Unlock()
	}, nil
}

func acquire(lock *flock.Flock) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	_, err := lock.TryLockContext(ctx, 5*time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: it has held the file %s for %v; try again when it is done", ErrLocked, lockName, lockPatience)
	}
	return err
}

// settle reads the folder again if another process changed it, or mended it, and gives the
// number of changes as an even one. The caller holds the lock: an odd number is
// that of a process which ended in the middle of a change.
func (s *Store) settle() (uint64, error) {
	n := s.readChanges()
	if n != s.seen || n&1 == 1 || s.restored() {
		if err := s.reread(); err != nil {
			return 0, err
		}
	}
	if n <= 1 { // the first change; a folder that was restored must not count on from an old number
		n = uint64(time.Now().UnixNano()) &^ 1
	}
	return n + n&1, nil
}

// Refresh brings the catalogue up to date with what other processes changed. It
// waits for no change under way: that is seen by the next. Without force it
// reads twenty bytes where nothing changed, and what was damaged; with it, all pointers, for a folder
// that was changed by other means. The reading that it gives grows whenever the
// pointers were read again, here or before a change of one's own.
func (s *Store) Refresh(force bool) (reading uint64, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	n := s.readChanges()
	switch {
	case n != s.seen || force || s.restored():
		if err = s.reread(); err == nil {
			s.seen = n
		}
	case n&1 == 1:
		err = s.afterCrash()
	}
	if err != nil {
		err = fmt.Errorf("store: %w", err)
	}
	return s.reading, err
}

// Changing tells whether a change is under way, here or in another process, or was
// when a process ended. What Refresh read in the middle of one may be old before its
// number tells: who misses a file that it read of then needs Refresh with force.
func (s *Store) Changing() bool { return s.readChanges()&1 == 1 }

// afterCrash reads the folder again if nobody holds the lock although a change
// is under way. Where the folder may not be written, it does so once.
func (s *Store) afterCrash() error {
	if s.crashed == s.seen {
		return nil
	}
	lock := flock.New(filepath.Join(s.dir, lockName))
	defer lock.Close()
	if free, err := lock.TryLock(); err != nil || !free {
		return nil // not ours to lock, or a change under way
	}
	n, err := s.settle()
	if err != nil {
		return err
	}
	if s.writeChanges(n) == nil {
		s.seen = n
	} else {
		s.crashed = s.seen
	}
	return nil
}

// readChanges gives the number of changes, 0 before the first.
func (s *Store) readChanges() uint64 {
	raw, err := os.ReadFile(filepath.Join(s.dir, changesName))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 1 // half written: as one under way
	}
	return n
}

// writeChanges is not synced: after the whole system failed, nobody has an older
// folder in memory.
func (s *Store) writeChanges(n uint64) error {
	f, err := os.OpenFile(filepath.Join(s.dir, changesName), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%020d\n", n)
	return errors.Join(err, f.Close())
}

// gone tells that a pointer was removed between the listing and its turn.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
