// Package store keeps families and variants on disk: the two file formats, the
// folder that holds them and its catalogue.
//
// It knows nothing of how a basis is learned (store/subspace), of how
// coefficients are coded (store/rans) or of what a model computes. A basis or
// variant that it hands out has passed every check that can be made without
// decoding the coefficients: digest, format, shapes, finite numbers.
package store
