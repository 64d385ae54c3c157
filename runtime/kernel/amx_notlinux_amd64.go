//go:build !purego && !linux

package kernel

// permitTiles is false: how another system grants AMX is not known here.
func permitTiles() bool { return false }
