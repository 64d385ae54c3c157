package cache_test

import (
	"context"
	"fmt"
	"log"

	"eigenserve/runtime/cache"
)

func Example() {
	// Room for two slabs of 4096 bytes.
	c, err := cache.New(cache.Options{Limit: 8192, Policy: cache.LRU})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	pool := cache.NewPool(4096)

	for _, key := range []string{"ant", "bee", "ant", "cat", "bee"} {
		lease, err := c.Acquire(context.Background(), cache.Request{Key: key, Pool: pool},
			func(region []float32) (any, error) {
				region[0] = float32(len(key)) // expensive work goes here
				return "weights of " + key, nil
			})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(lease.Value(), lease.Rebuilt())
		lease.Release()
	}
	s := c.Stats()
	fmt.Println(s.Used, "bytes,", s.Weights.Hits, "hit,", s.Weights.Evictions, "evictions")

	// Output:
	// weights of ant true
	// weights of bee true
	// weights of ant false
	// weights of cat true
	// weights of bee true
	// 8192 bytes, 1 hit, 2 evictions
}
