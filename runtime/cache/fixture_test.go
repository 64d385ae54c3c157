package cache_test

import (
	"context"
	"errors"
	goruntime "runtime"
	"testing"
	"time"

	"eigenserve/runtime/cache"
	"eigenserve/runtime/fault"
)

// page is the size of the tests' slabs in bytes.
const page = 4096

// patience is longer than any test waits for an event.
const patience = time.Minute

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// newCache returns a cache that is closed after the test. Up to 8 calls of Acquire may
// wait in it, for as long as patience.
func newCache(t testing.TB, limit int64, p cache.Policy) *cache.Cache {
	t.Helper()
	return newCacheWith(t, cache.Options{Limit: limit, MaxWaiters: 8, MaxWait: patience, Policy: p})
}

func newCacheWith(t testing.TB, o cache.Options) *cache.Cache {
	t.Helper()
	c, err := cache.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fillWith returns a fill function that sets every number of a region to x, and returns
// the region as the value.
func fillWith(x float32) func([]float32) (any, error) {
	return func(region []float32) (any, error) {
		for i := range region {
			region[i] = x
		}
		return region, nil
	}
}

// floats returns the region of a lease of what fillWith filled.
func floats(l *cache.Lease) []float32 { return l.Value().([]float32) }

// weights describes an entry that fills a slab.
func weights(key string, pool *cache.Pool) cache.Request {
	return cache.Request{Kind: cache.Weights, Key: key, Pool: pool}
}

// acquire leases an entry that fills a slab, or fails the test.
func acquire(t *testing.T, c *cache.Cache, pool *cache.Pool, key string, x float32) *cache.Lease {
	t.Helper()
	l, err := c.Acquire(context.Background(), weights(key, pool), fillWith(x))
	if err != nil {
		t.Fatalf("acquire %s: %v", key, err)
	}
	return l
}

// offer reserves and fills an entry, and reports whether it was admitted.
func offer(c *cache.Cache, r cache.Request) bool {
	reserved, ok := c.Reserve(r)
	if ok {
		c.Fill([]cache.Reservation{reserved}, func(regions [][]float32) ([]any, []error) {
			return []any{regions[0]}, []error{nil}
		})
	}
	return ok
}

func contains(c *cache.Cache, key string) bool { return c.Contains(cache.Weights, key) }

func codeOf(err error) fault.Code {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

// eventually waits until a condition holds that other goroutines bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// checkIdle fails the test unless no entry is leased, nobody waits and the account is
// right.
func checkIdle(t *testing.T, c *cache.Cache) {
	t.Helper()
	if s := c.Stats(); s.Weights.Leased+s.Decoded.Leased+s.Dropped+s.Waiters > 0 {
		t.Errorf("the cache is in use: %+v", s)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}
