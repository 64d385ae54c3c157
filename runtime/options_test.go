package runtime

import (
	goruntime "runtime"
	"testing"

	"eigenserve/runtime/internal/teststore"
)

func TestOpenRefusesUnknownCachePolicy(t *testing.T) {
	if _, err := Open(teststore.Fitted(t), Options{CachePolicy: "mru"}); codeOf(err) != Invalid {
		t.Errorf("Open returned %v, want code Invalid", err)
	}
}

// The number of processors may change between the start of the program and Open.
func TestDefaultParallelIsProcessorsAtOpen(t *testing.T) {
	n := goruntime.GOMAXPROCS(0)
	defer goruntime.GOMAXPROCS(n)
	goruntime.GOMAXPROCS(n + 1)
	eng := tinyEngine(t, Options{})
	if eng.options.Parallel != n+1 || cap(eng.preparing) != n+1 {
		t.Errorf("%d batches and %d decoded inputs at once, want %d each", eng.options.Parallel, cap(eng.preparing), n+1)
	}
}
