package cache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"eigenserve/runtime/cache"
)

func TestHotterEntriesStay(t *testing.T) {
	c, pool := newCache(t, 2*page, cache.TinyLFU), cache.NewPool(page)
	for i, key := range []string{"a", "b"} {
		c.RecordAccess(key, 3+i)
		if !offer(c, weights(key, pool)) {
			t.Fatalf("%q was refused although there is room", key)
		}
	}
	c.RecordAccess("c", 3)
	if offer(c, weights("c", pool)) {
		t.Error("an entry as hot as the one it would evict was admitted")
	}
	if offer(c, weights("a", pool)) {
		t.Error("an entry was filled again")
	}
	c.RecordAccess("c", 1)
	if !offer(c, weights("c", pool)) || contains(c, "a") || !contains(c, "b") {
		t.Error("the hotter entry should have replaced the coldest")
	}
	checkIdle(t, c)
}

func TestLeasedEntriesStayHoweverCold(t *testing.T) {
	c, pool := newCache(t, page, cache.TinyLFU), cache.NewPool(page)
	a := acquire(t, c, pool, "a", 1)
	c.RecordAccess("b", 100)
	if offer(c, weights("b", pool)) {
		t.Error("a leased entry was evicted")
	}
	a.Release()
	if !offer(c, weights("b", pool)) {
		t.Error("an idle entry was not evicted")
	}
	checkIdle(t, c)
}

func TestWorthIsTimeSavedPerByte(t *testing.T) {
	saves := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	for _, test := range []struct {
		name  string
		saves time.Duration
		slab  int64
		want  bool // admitted
	}{
		{"as much", time.Millisecond, page, false},
		{"more", 2 * time.Millisecond, page, true},
		{"more, in more bytes", 2 * time.Millisecond, 2 * page, false},
		{"much more, in more bytes", 3 * time.Millisecond, 2 * page, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, pool := newCache(t, 2*page, cache.TinyLFU), cache.NewPool(page)
			for _, key := range []string{"a", "b"} {
				c.RecordAccess(key, 2)
				if !offer(c, cache.Request{Key: key, Pool: pool, Saves: saves(time.Millisecond)}) {
					t.Fatal("an entry was refused although there is room")
				}
			}
			c.RecordAccess("c", 2)
			if got := offer(c, cache.Request{Key: "c", Pool: cache.NewPool(test.slab), Saves: saves(test.saves)}); got != test.want {
				t.Errorf("admitted: %t", got)
			}
			checkIdle(t, c)
		})
	}
}

// TestRareEntriesReplaceOneAnother acquires many entries once each, and between them a few
// often.
func TestRareEntriesReplaceOneAnother(t *testing.T) {
	c, pool := newCache(t, 4*page, cache.TinyLFU), cache.NewPool(page)
	rebuilds := func(key string) bool {
		c.RecordAccess(key, 1)
		l, err := c.Acquire(context.Background(), weights(key, pool), fillWith(1))
		must(err)
		defer l.Release()
		return l.Rebuilt()
	}
	frequent := []string{"a", "b", "c"}
	for range 3 {
		for _, key := range frequent {
			rebuilds(key)
		}
	}
	for i := range 20 {
		rebuilds(fmt.Sprint("rare ", i))
		for _, key := range frequent {
			if rebuilds(key) {
				t.Fatalf("rare entry %d evicted %q", i, key)
			}
		}
	}
	for range 5 { // no longer rare
		rebuilds("rare 1")
	}
	if !contains(c, "rare 1") {
		t.Error("an entry that became frequent was not kept")
	}
	checkIdle(t, c)
}

// TestDecodedEvictNothingUnderLRU fills the cache with weights.
func TestDecodedEvictNothingUnderLRU(t *testing.T) {
	c, pool := newCache(t, 2*page, cache.LRU), cache.NewPool(page)
	acquire(t, c, pool, "a", 1).Release()
	acquire(t, c, pool, "b", 1).Release()
	decoded := cache.Request{Kind: cache.Decoded, Key: "c", Pool: pool, Size: page}
	if _, ok := c.Reserve(decoded); ok {
		t.Error("decoded coefficients evicted weights")
	}
	c.Drop("a")
	if !offer(c, decoded) {
		t.Error("decoded coefficients were refused although there is room")
	}
	if s := c.Stats(); s.Decoded.Entries != 1 || s.Used != 2*page {
		t.Errorf("the free slab should have made room: %+v", s)
	}
	c.Drop("c")
	if s := c.Stats(); s.Decoded.Entries != 0 || s.Used != page {
		t.Errorf("the region should be unmapped: %+v", s)
	}
	checkIdle(t, c)
}

// TestDecodedCompeteUnderTinyLFU has decoded coefficients of the same requests compete
// with weights.
func TestDecodedCompeteUnderTinyLFU(t *testing.T) {
	c, pool := newCache(t, 2*page, cache.TinyLFU), cache.NewPool(page)
	for _, key := range []string{"a", "b"} {
		c.RecordAccess(key, 2)
		if !offer(c, weights(key, pool)) {
			t.Fatal("weights were refused although there is room")
		}
	}
	decoded := cache.Request{Kind: cache.Decoded, Key: "b", Pool: pool, Size: page}
	if offer(c, decoded) {
		t.Error("decoded coefficients worth as much evicted weights")
	}
	decoded.Size = page / 4
	if !offer(c, decoded) || contains(c, "a") || !contains(c, "b") {
		t.Error("decoded coefficients that save as much in fewer bytes should have evicted weights")
	}
	if s := c.Stats(); s.Weights.Evictions != 1 || s.Decoded.Misses != 1 || s.Decoded.Fills != 1 || s.Used != page+page/4 {
		t.Errorf("%+v", s)
	}
	c.Lookup(cache.Decoded, "b").Release()
	c.DropKind(cache.Decoded, "b")
	if s := c.Stats(); s.Decoded.Hits != 1 || s.Weights.Hits != 0 || s.Decoded.Entries != 0 || !contains(c, "b") {
		t.Errorf("decoded coefficients alone should be gone: %+v", s)
	}
	if !offer(c, decoded) {
		t.Error("decoded coefficients were refused although there is room")
	}
	c.Drop("b")
	if s := c.Stats(); s.Decoded.Entries != 0 || s.Weights.Entries != 0 {
		t.Errorf("both kinds should be gone: %+v", s)
	}
	checkIdle(t, c)
}
