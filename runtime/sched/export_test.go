package sched

// Sizes returns how many queues there are, how many of them are in round-robin order, and
// how many inputs are in batches.
func (s *Scheduler) Sizes() (queues, active, computing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queues), len(s.active), s.computing
}

// What tests of the limits need to know.
const (
	BurstLength = burstLength
	QuietTime   = quietTime
)
