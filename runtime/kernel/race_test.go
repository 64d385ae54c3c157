//go:build race

package kernel

// raceEnabled: the race detector makes a sync.Pool drop things at random.
const raceEnabled = true
