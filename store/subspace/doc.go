// Package subspace is the mathematics of a family: it learns a basis from
// checkpoints, projects a checkpoint onto it, quantises and codes what comes
// out, and rebuilds dense tensors from that.
//
// For a shared layer Ŵ = [W b] of shape m × (n+1), the basis is the mean M over
// the checkpoints and the leading eigenvectors of the second moments of the
// deltas Z = Ŵ−M in both weight modes, Σ ZZᵀ and Σ ZᵀZ: a higher-order singular
// value decomposition, zero-centred along the model axis (De Lathauwer, De Moor,
// Vandewalle 2000). A checkpoint's coefficients are C = L⁺ Z R⁺ and a rebuild is
// M + L(Δq)R with q the quantised C, whatever metric L and R have absorbed.
//
// It is written to be read and to be right: the kernels that serve requests
// are checked against it. It does not serve, and knows no architecture: what
// to stack comes from a store.Layout.
package subspace
