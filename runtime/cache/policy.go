package cache

import (
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"eigenserve/runtime/fault"
)

// Policy names the order in which entries are evicted.
type Policy string

const (
	// LRU evicts the least recently used entry.
	LRU Policy = "lru"
	// TinyLFU evicts the entry that saves the least time per byte, by how often it was
	// requested lately, and admits nothing that saves less than what it would replace.
	TinyLFU Policy = "tinylfu"
)

// evictor returns a new evictor of the policy.
func (p Policy) evictor() (evictor, error) {
	switch p {
	case LRU:
		return lru{newRecencyList()}, nil
	case TinyLFU, "":
		return newTinyLFU(), nil
	}
	return nil, fault.Errorf(fault.Invalid, "cache policy %q: use lru or tinylfu", string(p))
}

// evictor holds the idle entries, those that nobody leases, and chooses which of them to
// evict. The cache calls it with its mutex held.
type evictor interface {
	// recordAccess counts a request for a key, whether or not the key has an entry.
	recordAccess(key string)
	// add adds an entry whose last lease has ended.
	add(e *entry)
	// hit removes an entry that is leased again.
	hit(e *entry)
	// remove removes an entry that is evicted or dropped.
	remove(e *entry)
	// victim returns the entry to evict first to make room for r. It returns nil if there
	// is none or, unless forced, if that entry is worth as much as r or more.
	victim(r *Request, force bool) *entry
}

// recencyList is a list of entries, ordered by when they were added.
type recencyList struct {
	*simplelru.LRU[*entry, struct{}]
}

func newRecencyList() recencyList {
	const unlimited = int(^uint(0) >> 1) // the cache counts bytes, not entries
	l, err := simplelru.NewLRU[*entry, struct{}](unlimited, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return recencyList{l}
}

func (l recencyList) add(e *entry)    { l.Add(e, struct{}{}) }
func (l recencyList) remove(e *entry) { l.Remove(e) }

// oldest returns the entry that was added first, or nil.
func (l recencyList) oldest() *entry {
	e, _, _ := l.GetOldest()
	return e
}

// lru evicts the entry whose last lease ended the longest ago.
type lru struct{ recencyList }

func (p lru) recordAccess(string) {}
func (p lru) hit(e *entry)        { p.remove(e) }

// victim evicts nothing for decoded coefficients: under LRU what was used last is always
// worth more, so they would evict weights all the time.
func (p lru) victim(r *Request, _ bool) *entry {
	if r.Kind == Decoded {
		return nil
	}
	return p.oldest()
}
