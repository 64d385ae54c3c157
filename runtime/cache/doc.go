// Package cache keeps what was made at some expense, such as rebuilt weights, within one
// budget of bytes. Its memory lies outside the Go heap, in regions of package mem.
//
// Entries are leased. A leased entry is never evicted, so the bytes of a region stay
// charged from the moment it is mapped until it is unmapped, and the budget holds under
// any load. Entries that nobody leases stay until a Policy evicts them to make room.
//
// There are three ways to an entry. Acquire must have it: it fills the entry on a miss,
// once for all who ask for it meanwhile, and waits while every region is leased. Lookup
// returns it only if it is there. Reserve and Fill add it only if it is worth more than
// what would be evicted for it, and never wait.
//
// The package doesn't know what its entries are or how they are made. Keys are opaque,
// and values are whatever the caller's fill function returns.
package cache
