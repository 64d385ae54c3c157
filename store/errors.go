package store

import "errors"

var (
	// ErrFormat marks a file that is not what it should be: another format,
	// a version of the future, a shape or number that can't be.
	ErrFormat = errors.New("bad file")
	// ErrDigest marks a file whose bytes do not have the digest that names it.
	ErrDigest = errors.New("damaged file")
	// ErrDamaged marks a name whose pointer file can't be read.
	ErrDamaged = errors.New("damaged pointer")
	// ErrBasis marks a variant on another basis than the one at hand.
	ErrBasis = errors.New("other basis")
	// ErrNotFound marks a family, variant or file that the store does not hold.
	ErrNotFound = errors.New("not found")
	// ErrName marks a name that can't be used.
	ErrName = errors.New("bad name")
	// ErrInUse marks a change that an alias, or a model in the alias's place, forbids.
	ErrInUse = errors.New("in use")
	// ErrChanged marks a version that is not the current one any more.
	ErrChanged = errors.New("replaced or removed meanwhile")
	// ErrAlias marks an alias that can't be followed as it was given.
	ErrAlias = errors.New("bad alias")
	// ErrNoStore marks a folder that is not a store.
	ErrNoStore = errors.New("not a store")
)
