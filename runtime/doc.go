// Package runtime is the engine: it keeps the families of a store in memory, holds every
// variant as coefficients, and answers requests for them. A request is admitted by the
// scheduler and computed in a batch, from rebuilt weights in the cache or straight from
// the basis. Every byte is accounted for.
//
// The parts are separate packages: mem, cache, sched, family, learn and fault. This one
// holds the catalogue of variants and takes requests through the parts. It knows neither
// HTTP nor commands, and does no arithmetic itself.
//
// An Engine serves any number of goroutines.
package runtime
