package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"eigenserve/runtime/fault"
)

// lfuCache is smallCache under TinyLFU.
func lfuCache(t *testing.T, slabs int) (*Cache, *Pool) {
	t.Helper()
	c := New(int64(slabs)*page, 8, patience, newTinyLFU())
	t.Cleanup(c.Close)
	return c, NewPool(page)
}

// reserved tells whether weights get a slab without force, and fills it.
func reserved(c *Cache, w Request) bool {
	r := c.Reserve(w)
	if r == nil {
		return false
	}
	c.Fill([]*Entry{r}, func(slabs [][]float32) ([]any, []error) { return []any{slabs[0]}, []error{nil} })
	c.Release(r)
	return true
}

func TestHotterWeightsStay(t *testing.T) {
	c, pool := lfuCache(t, 2)
	w := func(digest string) Request { return Request{Digest: digest, Pool: pool} }
	for i, digest := range []string{"a", "b"} {
		c.RecordAccess(digest, 3+i)
		if !reserved(c, w(digest)) {
			t.Fatalf("%q gets no slab where there is room", digest)
		}
	}
	c.RecordAccess("c", 3)
	if reserved(c, w("c")) {
		t.Error("as hot as what it would evict, it came in")
	}
	if reserved(c, w("a")) {
		t.Error("what is there was built again")
	}
	c.RecordAccess("c", 1)
	if !reserved(c, w("c")) || c.Contains("a") || !c.Contains("b") {
		t.Error("hotter than the coldest, it did not come in for that")
	}
	quiet(t, c)
}

func TestLeasedWeightsStayHoweverCold(t *testing.T) {
	c, pool := lfuCache(t, 1)
	a := take(t, c, pool, "a", mark(1))
	c.RecordAccess("b", 100)
	if reserved(c, Request{Digest: "b", Pool: pool}) {
		t.Error("a leased slab was taken")
	}
	a.Release()
	if !reserved(c, Request{Digest: "b", Pool: pool}) {
		t.Error("an idle one was not")
	}
	quiet(t, c)
}

func saving(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestWorthCountsWhatIsSavedAndWhatItTakes(t *testing.T) {
	for _, test := range []struct {
		name  string
		saves time.Duration
		slab  int64
		comes bool
	}{
		{"as much", time.Millisecond, page, false},
		{"more", 2 * time.Millisecond, page, true},
		{"more, of more bytes", 2 * time.Millisecond, 2 * page, false},
		{"much more, of more bytes", 3 * time.Millisecond, 2 * page, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, pool := lfuCache(t, 2)
			for _, digest := range []string{"a", "b"} {
				c.RecordAccess(digest, 2)
				if !reserved(c, Request{Digest: digest, Pool: pool, Saves: saving(time.Millisecond)}) {
					t.Fatal("no slab where there is room")
				}
			}
			c.RecordAccess("c", 2)
			if got := reserved(c, Request{Digest: "c", Pool: NewPool(test.slab), Saves: saving(test.saves)}); got != test.comes {
				t.Errorf("it came in: %t", got)
			}
			quiet(t, c)
		})
	}
}

// TestRareWeightsTakeTurnsAtOneSlab forces in what is asked for once, beside
// what is asked for often.
func TestRareWeightsTakeTurnsAtOneSlab(t *testing.T) {
	c, pool := lfuCache(t, 4)
	ask := func(digest string) bool {
		c.RecordAccess(digest, 1)
		l, err := c.Acquire(context.Background(), Request{Digest: digest, Pool: pool}, mark(1))
		must(err)
		defer l.Release()
		return l.Rebuilt()
	}
	hot := []string{"a", "b", "c"}
	for range 3 {
		for _, digest := range hot {
			ask(digest)
		}
	}
	for i := range 20 {
		ask(fmt.Sprint("rare ", i))
		for _, digest := range hot {
			if ask(digest) {
				t.Fatalf("rare %d had %q rebuilt", i, digest)
			}
		}
	}
	for range 5 { // no longer rare
		ask("rare 1")
	}
	if !c.Contains("rare 1") {
		t.Error("what is asked for again and again is not kept")
	}
	quiet(t, c)
}

func TestSketch(t *testing.T) {
	s := newFrequencySketch()
	for i := range 1000 {
		s.add(fmt.Sprint(i%100), 1000)
	}
	for i := range 100 {
		if n := s.count(fmt.Sprint(i)); n < 10 || n > 12 {
			t.Errorf("key %d of ten was counted %d times", i, n)
		}
	}
	if n := s.count("another"); n > 1 {
		t.Errorf("a key that never came was counted %d times", n)
	}
	s.age()
	if n := s.count("7"); n < 5 || n > 6 {
		t.Errorf("a key of ten counts %d after ageing", n)
	}
	for range 1000 {
		s.add("hot", 1000)
	}
	if n := s.count("hot"); n != 255 {
		t.Errorf("the counter of a thousand is at %d", n)
	}
	for range leastAge { // nothing is Entry: the counters age by themselves
		s.add("hot", 0)
	}
	if n := s.count("hot"); n > 255/2+leastAge {
		t.Errorf("the counter did not age: %d", n)
	}
}

func TestPolicyNames(t *testing.T) {
	if _, err := Policy("mru").New(); codeOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestDecodedCoefficientsEvictNothingUnderLRU fills the cache with slabs.
func TestDecodedCoefficientsEvictNothingUnderLRU(t *testing.T) {
	c, pool := smallCache(t, 2, 8, patience)
	take(t, c, pool, "a", mark(1)).Release()
	take(t, c, pool, "b", mark(1)).Release()
	if r := c.Reserve(Request{Digest: "c", Pool: pool.Single(page), Cores: true}); r != nil {
		t.Error("they took a slab's place")
	}
	c.Drop("a")
	if !reserved(c, Request{Digest: "c", Pool: pool.Single(page), Cores: true}) {
		t.Error("they found no room where there is some")
	}
	c.Drop("c")
	if s := c.Stats(); s.Cores != 0 || s.Used > 2*page {
		t.Errorf("%+v", s)
	}
	quiet(t, c)
}
