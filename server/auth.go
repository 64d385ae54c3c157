package server

// scope is what a token must allow for a route to be used.
type scope string

// The scopes. None includes another: a token lists all that it has.
const (
	scopeOpen  scope = ""      // no token is asked for
	scopeRead  scope = "read"  // to see: the catalogue, memory, metrics
	scopeInfer scope = "infer" // to ask models
	scopeAdmin scope = "admin" // to add, change and remove
)
