//go:build !linux

package serving

import "os"

// dropCached does nothing: later loads may come from the system's page cache.
func dropCached(*os.File) {}
