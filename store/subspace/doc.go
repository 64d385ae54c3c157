// Package subspace is the mathematics of a family: it learns a basis from checkpoints,
// projects a checkpoint onto it, quantises and codes the coefficients, and rebuilds dense
// tensors from them.
//
// It is the reference against which the kernels that serve requests are checked, so it is
// written to be read. It knows no architecture: a store.Layout says which tensors to stack.
//
// # Layers
//
// The matrix of a shared layer is Ŵ = [W b], of shape (m, w) with w = n+1, or w = n without
// a bias. Over the family's N checkpoints:
//
//	M   (m, w)  mean of Ŵ, as it is stored
//	Z   (m, w)  S_Gᵀ(Ŵ−M)S_A, the weighted delta of one checkpoint
//	U   (m, p)  leading eigenvectors of Σ ZZᵀ (m, m), with eigenvalues λ
//	V   (w, q)  leading eigenvectors of Σ ZᵀZ (w, w), with eigenvalues μ
//	L   (m, p)  S_G⁻ᵀU, the left directions
//	R   (q, w)  VᵀS_A⁻¹, the right directions
//
// This is a higher-order singular value decomposition, zero-centred along the model axis (De
// Lathauwer, De Moor, Vandewalle 2000). The metric says what an error costs: A = S_A·S_Aᵀ
// (w, w) is the second moment of the layer's input [x;1], and G = S_G·S_Gᵀ (m, m) that of
// the gradient at its output, both damped. Without a metric, S_A and S_G are the identity.
// Where all directions are kept, the moments are shrunk towards those of a prior: see
// shrink.
//
// The coefficients of a checkpoint are C = L⁺(Ŵ−M)R⁺ (p, q), with the pseudo-inverses of L
// and R as they are stored, in 16 bits. C is kept transposed, as (q, p). The basis predicts
// the mean magnitude of C_ij as lᵢrⱼ: see scales.
//
// Quantisation gives integers Q = sgn C·⌊|C|/Δ + f⌋ with one step Δ for all layers. The
// offset f keeps the mean magnitude of C. The integers are entropy coded (package rans) with
// the predicted scales, times one gain per layer. A layer is rebuilt as Ŵ ≈ M + L(ΔQ)R,
// whatever metric L and R have absorbed.
//
// # Vectors and heads
//
// A vector, such as the weight of a norm, is v ≈ mean + s⊙(ΔQ), with one scale s per element.
//
// A head is a variant's own classifier Ŵ = [W b] (labels, w). All heads of a family read the
// same features, so they are coded as C = Ŵ·S·V (labels, w), where S·Sᵀ (w, w) is the second
// moment of [features;1] and V (w, w) holds the directions of the members' heads. An error of
// C is then one of the logits.
package subspace
