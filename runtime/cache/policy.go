package cache

import (
	"iter"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"eigenserve/runtime/fault"
)

// Policy names what of the weight cache goes first.
type Policy string

const (
	// LRU evicts what was not asked for the longest.
	LRU Policy = "lru"
	// TinyLFU evicts what is asked for less often than what comes in its
	// place.
	TinyLFU Policy = "tinylfu"
)

// New makes the policy; "" is the default.
func (p Policy) New() (policy, error) {
	switch p {
	case LRU:
		return lruPolicy{newIdleList()}, nil
	case TinyLFU, "":
		return newTinyLFU(), nil
	}
	return nil, fault.Errorf(fault.Invalid, "cache policy %q: use lru or tinylfu", string(p))
}

// policy holds the entries that nobody leases and says which goes first. The
// cache's mutex guards it. Leased entries are not in it: they can't go.
type policy interface {
	// recordAccess counts a request for weights, whether they are there or not.
	recordAccess(digest string)
	// rest takes in an entry whose last lease has dropped.
	rest(r *Entry)
	// leave takes out the entry of a key and gives it, or nil.
	leave(key string) *Entry
	contains(key string) bool
	// victim is the entry that goes first if w is to have its place: nil if there
	// is none, or, unless forced, none that is worth less than w.
	victim(w *Request, force bool) *Entry
	len() int
	all() iter.Seq[*Entry]
}

// idleList is a list of entries by when they came to rest. It counts entries;
// its size is no limit.
type idleList struct {
	*simplelru.LRU[string, *Entry]
}

func newIdleList() idleList {
	l, err := simplelru.NewLRU[string, *Entry](int(^uint(0)>>1), nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return idleList{l}
}

func (l idleList) leave(key string) *Entry {
	r, ok := l.Peek(key)
	if !ok {
		return nil
	}
	l.Remove(key)
	return r
}

// oldest is the entry that has rested the longest, or nil.
func (l idleList) oldest() *Entry {
	_, r, _ := l.GetOldest()
	return r
}

// lruPolicy is plain least recently used.
type lruPolicy struct{ idleList }

func (p lruPolicy) recordAccess(string)      { /* order is all that counts */ }
func (p lruPolicy) rest(r *Entry)            { p.Add(r.key(), r) }
func (p lruPolicy) contains(key string) bool { return p.Contains(key) }
func (p lruPolicy) len() int                 { return p.Len() }

// victim lets nothing go for decoded coefficients: what is used last would else
// always be worth a slab.
func (p lruPolicy) victim(w *Request, _ bool) *Entry {
	if w.Cores {
		return nil
	}
	return p.oldest()
}

func (p lruPolicy) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, r := range p.Values() {
			if !yield(r) {
				return
			}
		}
	}
}
