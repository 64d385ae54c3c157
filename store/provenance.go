package store

import "time"

// Provenance tells where a variant came from.
type Provenance struct {
	// Name of the checkpoint's folder, or the name it was uploaded under.
	Name string `json:"name"`
	// Checkpoint is the SHA-256 of the original's tensors.
	Checkpoint string    `json:"checkpoint"`
	Added      time.Time `json:"added"`
	// Fitted tells whether the basis was learned from this checkpoint too.
	Fitted bool `json:"fitted"`
}
