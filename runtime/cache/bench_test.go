package cache

import (
	"context"
	"testing"
	"time"
)

func BenchmarkLease(b *testing.B) {
	c := New(4*page, 8, time.Second, lruPolicy{newIdleList()})
	defer c.Close()
	pool := NewPool(page)
	build := func(slab []float32) (any, error) { return slab, nil }
	b.Run("op=lease/hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l, err := c.Acquire(context.Background(), Request{Digest: "a", Pool: pool}, build)
			if err != nil {
				b.Fatal(err)
			}
			l.Release()
		}
	})
}
