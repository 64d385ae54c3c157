package store

import "time"

// SetLockPatience sets how long a change waits for another process's, until the
// returned function is called.
func SetLockPatience(d time.Duration) (restore func()) {
	old := lockPatience
	lockPatience = d
	return func() { lockPatience = old }
}

// Generation returns how often the pointers were read.
func Generation(s *Store) uint64 { return s.generation }

// Pack and Unpack are those of a variant's header.
var (
	Pack   = pack
	Unpack = unpack
)
