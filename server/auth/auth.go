// Package auth decides who may call the server: tokens with their scopes, models and
// rates, and the hosts and origins that requests may come from. It knows no protocol;
// its errors carry the HTTP status that describes them.
package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Scope is what a token must allow for a route to be used.
type Scope string

// The scopes. None includes another: a token lists all that it has.
const (
	Open  Scope = ""      // no token is needed
	Read  Scope = "read"  // see the catalogue, memory and metrics
	Infer Scope = "infer" // ask models
	Admin Scope = "admin" // add, change and remove
)

// Denied is the error for a caller who is not allowed to do what was requested.
type Denied struct {
	Status    int
	Text      string
	Challenge string // for the header WWW-Authenticate (RFC 6750), or ""
}

// Error returns the text.
func (d *Denied) Error() string { return d.Text }

// Admit returns the caller that an Authorization header belongs to, if the caller has the
// scope and has not exhausted its rate. The caller is nil if the scope is Open or t is
// nil: then anyone may do everything.
func (t *Tokens) Admit(authorization string, need Scope) (*Caller, error) {
	if need == Open || t == nil {
		return nil, nil
	}
	const challenge = `Bearer realm="eigenserve"`
	kind, presented, _ := strings.Cut(authorization, " ")
	if presented == "" || !strings.EqualFold(kind, "Bearer") {
		return nil, &Denied{http.StatusUnauthorized, "a token is required: send Authorization: Bearer TOKEN", challenge}
	}
	caller := t.find(strings.TrimSpace(presented))
	if caller == nil {
		return nil, &Denied{http.StatusUnauthorized, "the token is not known to this server", challenge + `, error="invalid_token"`}
	}
	if !slices.Contains(caller.scopes, need) {
		return nil, &Denied{http.StatusForbidden, fmt.Sprintf("token %q lacks the scope %q", caller.name, need),
			fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, need)}
	}
	if need == Infer {
		return caller, caller.limit.take(time.Now())
	}
	return caller, nil
}

// CheckModel returns an error if the caller's token is not for the model that a reference
// names. It must be called for every model that a request names, wherever it does so.
func (c *Caller) CheckModel(reference string) error {
	name := reference
	if i := strings.IndexAny(reference, ":@"); i >= 0 { // name:version, name@digest
		name = reference[:i]
	}
	if c.Sees(name) {
		return nil
	}
	return &Denied{http.StatusForbidden, fmt.Sprintf("token %q is not for model %q", c.name, name), ""}
}

// CheckTotals returns an error if the caller's token is not for all models, and so not
// for figures about all of them together.
func (c *Caller) CheckTotals() error {
	if c == nil || len(c.models) == 0 || slices.Contains(c.models, "*") {
		return nil
	}
	return &Denied{http.StatusForbidden, fmt.Sprintf("token %q is for some models only, and this is about all models", c.name), ""}
}
