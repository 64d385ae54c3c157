// Package store keeps families and variants: the formats of their files, the
// catalogue of names that point to them, and the order of changes by several
// processes. Where the files lie is up to a backend; Open and Create use a folder.
//
// The package does not learn a basis (store/subspace), code coefficients (store/rans)
// or compute what a model answers. A basis or variant that it returns has passed
// every check that does not need the coefficients decoded: digest, format, shapes,
// finite numbers.
//
// README.md describes the files.
package store
