package runtime

import "eigenserve/runtime/cache"

// CachePolicy names the order in which the weight cache evicts.
type CachePolicy = cache.Policy

// The policies of package cache.
const (
	CacheLRU     = cache.LRU
	CacheTinyLFU = cache.TinyLFU
)
