//go:build race

package kernel

// raceEnabled reports that the race detector is on, which makes a sync.Pool drop items at
// random.
const raceEnabled = true
