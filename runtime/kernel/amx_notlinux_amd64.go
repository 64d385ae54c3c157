//go:build !purego && !linux

package kernel

// requestAMX reports false: AMX is used on Linux only.
func requestAMX() bool { return false }
