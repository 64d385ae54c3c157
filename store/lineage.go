package store

// Lineage says how similar the checkpoints that a basis was fitted on are, to recognise
// one of another lineage. It is measured on random projections of the layers' weights and
// accurate to a few percent.
type Lineage struct {
	// Cosine between a checkpoint's weights and the mean, the median over the layers.
	Cosine Range `json:"cosine"`
	// Distance of a checkpoint from the mean, relative to the mean's length, the median
	// over the layers.
	Distance Range `json:"distance"`
}

// Range is the range of a value over several checkpoints.
type Range struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}
