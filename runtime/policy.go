package runtime

import (
	"iter"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// CachePolicy names what of the weight cache goes first.
type CachePolicy string

const (
	// CacheLRU evicts what was not asked for the longest.
	CacheLRU CachePolicy = "lru"
	// CacheTinyLFU evicts what is asked for less often than what comes in its
	// place.
	CacheTinyLFU CachePolicy = "tinylfu"
)

// new makes the policy; "" is the default.
func (p CachePolicy) new() (policy, error) {
	switch p {
	case CacheLRU:
		return lruPolicy{newIdleList()}, nil
	case CacheTinyLFU, "":
		return newTinyLFU(), nil
	}
	return nil, Errorf(Invalid, "cache policy %q: use lru or tinylfu", string(p))
}

// policy holds the entries that nobody leases and says which goes first. The
// cache's mutex guards it. Leased entries are not in it: they can't go.
type policy interface {
	// asked counts a request for weights, whether they are there or not.
	asked(digest string)
	// rest takes in an entry whose last lease has dropped.
	rest(r *resident)
	// leave takes out the entry of a key and gives it, or nil.
	leave(key string) *resident
	contains(key string) bool
	// victim is the entry that goes first if w is to have its place: nil if there
	// is none, or, unless forced, none that is worth less than w.
	victim(w *wanted, force bool) *resident
	len() int
	all() iter.Seq[*resident]
}

// idleList is a list of entries by when they came to rest. It counts entries;
// its size is no limit.
type idleList struct {
	*simplelru.LRU[string, *resident]
}

func newIdleList() idleList {
	l, err := simplelru.NewLRU[string, *resident](int(^uint(0)>>1), nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return idleList{l}
}

func (l idleList) leave(key string) *resident {
	r, ok := l.Peek(key)
	if !ok {
		return nil
	}
	l.Remove(key)
	return r
}

// oldest is the entry that has rested the longest, or nil.
func (l idleList) oldest() *resident {
	_, r, _ := l.GetOldest()
	return r
}

// lruPolicy is plain least recently used.
type lruPolicy struct{ idleList }

func (p lruPolicy) asked(string)             { /* order is all that counts */ }
func (p lruPolicy) rest(r *resident)         { p.Add(r.key(), r) }
func (p lruPolicy) contains(key string) bool { return p.Contains(key) }
func (p lruPolicy) len() int                 { return p.Len() }

// victim lets nothing go for decoded coefficients: what is used last would else
// always be worth a slab.
func (p lruPolicy) victim(w *wanted, _ bool) *resident {
	if w.cores {
		return nil
	}
	return p.oldest()
}

func (p lruPolicy) all() iter.Seq[*resident] {
	return func(yield func(*resident) bool) {
		for _, r := range p.Values() {
			if !yield(r) {
				return
			}
		}
	}
}
