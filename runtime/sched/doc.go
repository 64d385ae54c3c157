// Package sched decides which inputs are computed next.
//
// A request brings inputs that wait in a queue, one queue for each key: inputs of the same
// key are computed with the same weights. A scheduler has a fixed number of slots, each of
// which computes one batch at a time, and the queues take turns in filling the batches.
// Keys of one class can share a batch; whether they do is decided by measuring both ways.
// A request that would wait too long for its turn is refused at once.
//
// The package knows neither models nor protocols. What a key stands for, what an input
// holds and how a batch is computed is up to the caller.
package sched
