package wire

import (
	"sync/atomic"
	"time"

	"eigenserve/runtime"
)

// Budget bounds the memory taken by the bodies of all requests under way. It counts
// the bytes that have arrived, not those a client announced, so that no client can
// reserve memory by declaring a length.
type Budget struct {
	limit int64
	held  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Held returns how many bytes are counted now.
func (b *Budget) Held() int64 { return b.held.Load() }

// Share returns an empty share of the budget.
func (b *Budget) Share() Share { return Share{budget: b} }

// Share is what one request holds of a Budget. It is not safe for concurrent use.
type Share struct {
	budget *Budget
	held   int64
}

// Add counts n more bytes. It returns an error if the budget is exceeded; the bytes
// count until they are released either way.
func (s *Share) Add(n int64) error {
	s.held += n
	if s.budget.held.Add(n) > s.budget.limit {
		return runtime.Errorf(runtime.Busy, "the requests under way take up all the memory allowed for their bodies; try again")
	}
	return nil
}

// Sub stops counting n bytes.
func (s *Share) Sub(n int64) {
	s.held -= n
	s.budget.held.Add(-n)
}

// Release stops counting all the bytes of the share.
func (s *Share) Release() { s.Sub(s.held) }

// MinRate is how many bytes of a body a client must send each second, on average,
// beyond the time it has for the head.
const MinRate = 16 << 10

// Pace bounds how long a body may take to arrive.
type Pace struct {
	Began    time.Time
	Patience time.Duration // with a client that sends nothing
}

// Deadline returns when the next bytes must have arrived, after read bytes.
func (p Pace) Deadline(read int64) time.Time {
	return p.Began.Add(p.Patience + time.Duration(read/MinRate)*time.Second)
}
