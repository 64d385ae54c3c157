package cache_test

import (
	"context"
	"testing"

	"eigenserve/runtime/cache"
)

func BenchmarkLease(b *testing.B) {
	for name, p := range map[string]cache.Policy{"op=lease/hit": cache.LRU, "op=lease/hit/policy=tinylfu": cache.TinyLFU} {
		b.Run(name, func(b *testing.B) {
			c, request := newCache(b, 4*page, p), weights("a", cache.NewPool(page))
			fill := func(region []float32) (any, error) { return region, nil }
			b.ReportAllocs()
			for b.Loop() {
				l, err := c.Acquire(context.Background(), request, fill)
				if err != nil {
					b.Fatal(err)
				}
				l.Release()
			}
		})
	}
}
