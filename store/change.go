package store

import (
	"errors"
	"fmt"
	"time"
)

// Several processes may have one store open. The backend's lock orders their changes.
// Its change counter is odd while a change is under way and grows with each one, so a
// process that has the catalogue in memory reads one number to see whether another
// changed the store (a sequence lock).

// lockPatience is how long a change waits for that of another process: longer than
// the largest basis takes to be written.
var lockPatience = time.Minute

// begin waits for all other changes of the store, by this process or another, and
// brings the catalogue up to date. The caller must call end once.
func (s *Store) begin() (end func(), err error) {
	s.change.Lock()
	lock, err := s.files.Lock(".", lockPatience)
	if err != nil {
		s.change.Unlock()
		if errors.Is(err, ErrLocked) {
			err = fmt.Errorf("%w: it has held the lock for %v; try again when it is done", err, lockPatience)
		}
		return nil, fmt.Errorf("store %q: %w", s.files, err)
	}
	n, err := s.catchUp()
	if err == nil {
		err = lock.SetChanges(n + 1)
	}
	if err != nil {
		lock.Unlock()
		s.change.Unlock()
		return nil, err
	}
	s.lock = lock
	return func() {
		if lock.SetChanges(n+2) == nil && !s.uncertain {
			s.seen = n + 2
		}
		s.uncertain, s.lock = false, nil
		lock.Unlock()
		s.change.Unlock()
	}, nil
}

// catchUp reads the pointers again if another process has changed them, or restored a
// damaged one. It returns the change counter, rounded up to an even number. The caller
// holds the lock, so an odd number is that of a process that ended during a change.
func (s *Store) catchUp() (uint64, error) {
	n, err := s.files.Changes()
	if err != nil {
		return 0, err
	}
	if n != s.seen || n&1 == 1 || s.damagedChanged() {
		if err := s.load(); err != nil {
			return 0, err
		}
	}
	if n <= 1 { // the first change; a store that was restored must not count on from an old number
		n = uint64(time.Now().UnixNano()) &^ 1
	}
	return n + n&1, nil
}

// Refresh brings the catalogue up to date with the changes of other processes. It does
// not wait for a change that is under way; the next Refresh sees that one. Without
// force it reads the change counter and the damaged pointers, and all pointers only if
// those changed. With force it reads all pointers, for a store that was changed by
// other means. The generation it returns grows whenever the pointers are read again,
// here or before a change by this process.
func (s *Store) Refresh(force bool) (generation uint64, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	n, err := s.files.Changes()
	switch {
	case err != nil:
	case n != s.seen || force || s.damagedChanged():
		if err = s.load(); err == nil {
			s.seen = n
		}
	case n&1 == 1:
		err = s.recoverCrash()
	}
	return s.generation, err
}

// Changing reports whether a change is under way in any process, or was cut off when a
// process ended. What Refresh read during a change may be out of date before the
// counter shows it, so a caller that misses a file should call Refresh with force.
func (s *Store) Changing() bool {
	n, err := s.files.Changes()
	return err == nil && n&1 == 1
}

// recoverCrash reads the pointers again if the change that is under way was cut off, so that
// no process holds the lock. In a store that may not be written it does so once for each such
// change. The caller holds change.
func (s *Store) recoverCrash() error {
	if s.crashed == s.seen {
		return nil
	}
	lock, err := s.files.Lock(".", 0)
	if err != nil {
		return nil // held by the change that is under way, or read-only
	}
	defer lock.Unlock()
	n, err := s.catchUp()
	if err != nil {
		return err
	}
	if lock.SetChanges(n) == nil {
		s.seen = n
	} else {
		s.crashed = s.seen
	}
	return nil
}
