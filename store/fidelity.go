package store

// Fidelity says how well a variant answers as its original does. It is
// measured when the variant is made, from the original, and kept in its file.
type Fidelity struct {
	// Step is the quantisation step in units of the family's
	// root-mean-square coefficient; 0 means exact tensors.
	Step float64 `json:"step"`
	// Energy is the share of the delta's squared norm that the stored form
	// keeps, over all shared tensors: 1 − ‖Ŵ−W‖² / ‖W−M‖².
	Energy float64 `json:"energy"`
	// Layers holds the same share for each layer and vector, worst first.
	Layers []LayerFidelity `json:"layers,omitempty"`
	// Bytes of the variant by part.
	Bytes PartBytes `json:"bytes"`
}

// LayerFidelity is one tensor's share of the delta's energy that is kept.
type LayerFidelity struct {
	Name   string  `json:"name"`
	Energy float64 `json:"energy"`
}

// PartBytes divides a variant's bytes: the coded stream with its gains, the
// private tensors and the rest of the file. Source is what the original
// checkpoint's tensors took.
type PartBytes struct {
	Coefficients int64 `json:"coefficients"`
	Private      int64 `json:"private"`
	Metadata     int64 `json:"metadata"`
	Source       int64 `json:"source"`
}
