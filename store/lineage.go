package store

// Lineage says how alike the checkpoints are that a basis was fitted on: what
// tells another lineage's. It is measured on random projections of the layers'
// weights and true to some percent.
type Lineage struct {
	// Cosine of a checkpoint's weights to the mean, the median over the layers.
	Cosine Range `json:"cosine"`
	// Distance of a checkpoint to the mean, over the mean's own length, the
	// median over the layers.
	Distance Range `json:"distance"`
}

// Range is where the values of several checkpoints lie.
type Range struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}
