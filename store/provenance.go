package store

import "time"

// Provenance says where a variant came from.
type Provenance struct {
	// Name is that of the checkpoint's folder, or the name it was uploaded under.
	Name string `json:"name"`
	// Checkpoint is the SHA-256 of the original's tensors.
	Checkpoint string    `json:"checkpoint"`
	Added      time.Time `json:"added"`
	// Fitted says that the basis was learned from this checkpoint, among others.
	Fitted bool `json:"fitted"`
}
