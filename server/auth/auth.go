// Package auth decides who may call the server: tokens with scopes, names of models
// and rates, and the names that a request may be for. It knows no protocol.
package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// scope is what a token must allow for a route to be used.
type Scope string

// The scopes. None includes another: a token lists all that it has.
const (
	Open  Scope = ""      // no token is asked for
	Read  Scope = "read"  // to see: the catalogue, memory, metrics
	Infer Scope = "infer" // to ask models
	Admin Scope = "admin" // to add, change and remove
)

// Denied is why a caller is not let in: as an error it is answered with 401 or
// 403 and, as RFC 6750 has it, a challenge.
type Denied struct {
	Status          int
	Text, Challenge string
}

func (d *Denied) Error() string { return d.Text }

// Admit finds the caller of a request by its Authorization header and holds it to
// a scope, and to its rate. The caller is nil where the server has no tokens: anyone may all.
func (t *Tokens) Admit(authorization string, need Scope) (caller *Caller, err error) {
	if need == Open || t == nil {
		return nil, nil
	}
	const challenge = `Bearer realm="eigenserve"`
	kind, presented, _ := strings.Cut(authorization, " ")
	if presented == "" || !strings.EqualFold(kind, "Bearer") {
		return nil, &Denied{http.StatusUnauthorized, "a token is needed: send Authorization: Bearer TOKEN", challenge}
	}
	caller = t.find(strings.TrimSpace(presented))
	if caller == nil {
		return nil, &Denied{http.StatusUnauthorized, "this token is not known here", challenge + `, error="invalid_token"`}
	}
	if !caller.may(need) {
		return nil, &Denied{http.StatusForbidden, fmt.Sprintf("token %q lacks the scope %q", caller.name, need),
			fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, need)}
	}
	if need == Infer {
		return caller, caller.allowed.spend(time.Now())
	}
	return caller, nil
}

// CheckModel holds a caller to the models that its token is for. Every name of a
// model in a request has to pass here, wherever in the request it stands.
func (c *Caller) CheckModel(model string) error {
	if c == nil {
		return nil
	}
	name := model
	if i := strings.IndexAny(model, ":@"); i >= 0 { // name:version, name@digest
		name = model[:i]
	}
	if c.Sees(name) {
		return nil
	}
	return &Denied{http.StatusForbidden, fmt.Sprintf("token %q is not for model %q", c.name, name), ""}
}

// CheckTotals holds a caller to what it may see: what is of all models together,
// only with a token for all of them.
func (c *Caller) CheckTotals() error {
	if c == nil || len(c.models) == 0 || slices.Contains(c.models, "*") {
		return nil
	}
	return &Denied{http.StatusForbidden, fmt.Sprintf("token %q is for some models; this is of all of them", c.name), ""}
}
