package store

import "sort"

// Fidelity says how well a variant answers as its original does. It is
// measured when the variant is made, from the original, and kept in its file.
type Fidelity struct {
	// Step is the quantisation step in units of the family's
	// root-mean-square coefficient; 0 means exact tensors.
	Step float64 `json:"step"`
	// Energy is the share of the delta's squared norm that the stored form
	// keeps, over all shared tensors: 1 − ‖Ŵ−W‖² / ‖W−M‖², in the basis's
	// metric where it has one. Coarse steps keep magnitudes rather than this
	// share, which may then be small or below zero and the answers the same.
	Energy float64 `json:"energy"`
	// Energies holds the same share of each tensor, in the basis's order: the
	// layers, then the vectors. Names would take more than the rest of the file.
	Energies []float64 `json:"energies,omitempty"`
	// Bytes of the variant by part.
	Bytes PartBytes `json:"bytes"`
}

// TensorFidelity is one tensor's share of the delta's energy that is kept.
type TensorFidelity struct {
	Name   string  `json:"name"`
	Energy float64 `json:"energy"`
}

// Worst names the tensors' shares, worst first; none if the report is of another
// layout.
func (f Fidelity) Worst(l Layout) []TensorFidelity {
	if len(f.Energies) != l.Tensors() {
		return nil
	}
	var out []TensorFidelity
	for i, x := range l.Layers {
		out = append(out, TensorFidelity{x.Name, f.Energies[i]})
	}
	for i, x := range l.Vectors {
		out = append(out, TensorFidelity{x.Name, f.Energies[len(l.Layers)+i]})
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Energy < out[b].Energy })
	return out
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
