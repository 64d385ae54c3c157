package runtime

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// lfuCache is smallCache under TinyLFU.
func lfuCache(t *testing.T, slabs int) (*weightCache, *slabPool) {
	t.Helper()
	c := newWeightCache(int64(slabs)*page, 8, patience, newTinyLFU())
	t.Cleanup(c.close)
	return c, &slabPool{bytes: page}
}

// reserved tells whether weights get a slab without force, and fills it.
func reserved(c *weightCache, w wanted) bool {
	r := c.reserve(w)
	if r == nil {
		return false
	}
	c.fill([]*resident{r}, func(slabs [][]float32) ([]any, []error) { return []any{slabs[0]}, []error{nil} })
	c.release(r)
	return true
}

func TestHotterWeightsStay(t *testing.T) {
	c, pool := lfuCache(t, 2)
	w := func(digest string) wanted { return wanted{digest: digest, pool: pool} }
	for i, digest := range []string{"a", "b"} {
		c.asked(digest, 3+i)
		if !reserved(c, w(digest)) {
			t.Fatalf("%q gets no slab where there is room", digest)
		}
	}
	c.asked("c", 3)
	if reserved(c, w("c")) {
		t.Error("as hot as what it would evict, it came in")
	}
	if reserved(c, w("a")) {
		t.Error("what is there was built again")
	}
	c.asked("c", 1)
	if !reserved(c, w("c")) || c.resides("a") || !c.resides("b") {
		t.Error("hotter than the coldest, it did not come in for that")
	}
	quiet(t, c)
}

func TestLeasedWeightsStayHoweverCold(t *testing.T) {
	c, pool := lfuCache(t, 1)
	a := take(t, c, pool, "a", mark(1))
	c.asked("b", 100)
	if reserved(c, wanted{digest: "b", pool: pool}) {
		t.Error("a leased slab was taken")
	}
	a.release()
	if !reserved(c, wanted{digest: "b", pool: pool}) {
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
				c.asked(digest, 2)
				if !reserved(c, wanted{digest: digest, pool: pool, saves: saving(time.Millisecond)}) {
					t.Fatal("no slab where there is room")
				}
			}
			c.asked("c", 2)
			if got := reserved(c, wanted{digest: "c", pool: &slabPool{bytes: test.slab}, saves: saving(test.saves)}); got != test.comes {
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
		c.asked(digest, 1)
		l, err := c.acquire(context.Background(), wanted{digest: digest, pool: pool}, mark(1))
		must(err)
		defer l.release()
		return l.rebuilt
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
	if !c.resides("rare 1") {
		t.Error("what is asked for again and again is not kept")
	}
	quiet(t, c)
}

func TestSketch(t *testing.T) {
	s := newSketch()
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
	for range leastAge { // nothing is resident: the counters age by themselves
		s.add("hot", 0)
	}
	if n := s.count("hot"); n > 255/2+leastAge {
		t.Errorf("the counter did not age: %d", n)
	}
}

func TestPolicyNames(t *testing.T) {
	if _, err := CachePolicy("mru").new(); codeOf(err) != Invalid {
		t.Error(err)
	}
	if _, err := Open(tinyStore(t), Options{CachePolicy: "mru"}); codeOf(err) != Invalid {
		t.Error(err)
	}
}
