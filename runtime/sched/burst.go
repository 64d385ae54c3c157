package sched

import "time"

const (
	burstWait   = 2 * time.Second        // longest wait during a burst
	burstLength = 100 * time.Millisecond // how long a burst lasts
	quietTime   = 250 * time.Millisecond // how long the target must be kept before the next
)

// burst decides for how long requests may exceed the target wait. As in CoDel (Nichols and
// Jacobson 2012), a queue that is long for a moment does no harm, one that stays long does:
// if the target has been kept for some time, it may be exceeded for the length of a burst.
// The zero value has observed nothing.
type burst struct {
	began time.Time // when the target was first exceeded after a quiet time
	last  time.Time // when it was last exceeded
}

// observe records whether a request at time now would wait longer than the target.
func (b *burst) observe(now time.Time, exceeds bool) {
	if !exceeds {
		return
	}
	if now.Sub(b.last) > quietTime {
		b.began = now
	}
	b.last = now
}

// limit returns the longest wait that is admitted at time now: the target, or more during
// a burst.
func (b *burst) limit(now time.Time, target time.Duration) time.Duration {
	if now.Sub(b.began) <= burstLength {
		return max(target, burstWait)
	}
	return target
}

// isOverload reports whether, at time now, a burst has lasted too long and requests still
// exceed the target.
func (b *burst) isOverload(now time.Time) bool {
	return now.Sub(b.last) <= burstLength && now.Sub(b.began) > burstLength
}
