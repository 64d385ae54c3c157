//go:build !unix

package tensorfile

// madvise does nothing: there is no such call on this system.
func madvise([]byte, int, int, advice) {}
