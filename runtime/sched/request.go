package sched

import "time"

// A Request is inputs of one key that are answered together: the first error fails them all.
type Request struct {
	// Key names the queue that the inputs wait in. It must be comparable.
	Key any
	// Class is the class of the key. Requests of the same key have the same class.
	Class *Class
	// Deadline is when the request must be answered. Zero: there is none.
	Deadline time.Time
	// Value is the caller's. The scheduler doesn't use it.
	Value  any
	Inputs []Input

	// Guarded by Scheduler.mu:
	pending    int           // inputs that are admitted and in no batch yet
	unfinished int           // enqueued inputs that are not finished
	err        error         // the first error
	done       chan struct{} // closed when unfinished is 0 or err is set
}

// An Input is what waits for its turn. Every input counts the same.
type Input struct {
	Request *Request
	Index   int       // in Request.Inputs
	Queued  time.Time // when it was enqueued
}

// NewRequest returns a request of n inputs, at least one.
func NewRequest(key any, class *Class, n int) *Request {
	r := &Request{Key: key, Class: class, Inputs: make([]Input, n)}
	for i := range r.Inputs {
		r.Inputs[i] = Input{Request: r, Index: i}
	}
	return r
}
