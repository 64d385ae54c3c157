package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// scope is what a token must allow for a route to be used.
type scope string

// The scopes. None includes another: a token lists all that it has.
const (
	scopeOpen  scope = ""      // no token is asked for
	scopeRead  scope = "read"  // to see: the catalogue, memory, metrics
	scopeInfer scope = "infer" // to ask models
	scopeAdmin scope = "admin" // to add, change and remove
)

// denial is why a caller is not let in: as an error it is answered with 401 or
// 403 and, as RFC 6750 has it, a challenge.
type denial struct {
	status          int
	text, challenge string
}

func (d *denial) Error() string { return d.text }

// admit finds the caller of a request by its Authorization header and holds it to
// a scope, and to its rate. The caller is nil where the server has no tokens: anyone may all.
func (s *Server) admit(authorization string, need scope) (caller *token, err error) {
	if need == scopeOpen || s.options.Tokens == nil {
		return nil, nil
	}
	const challenge = `Bearer realm="eigenserve"`
	kind, presented, _ := strings.Cut(authorization, " ")
	if presented == "" || !strings.EqualFold(kind, "Bearer") {
		return nil, &denial{fiber.StatusUnauthorized, "a token is needed: send Authorization: Bearer TOKEN", challenge}
	}
	caller = s.options.Tokens.find(strings.TrimSpace(presented))
	if caller == nil {
		return nil, &denial{fiber.StatusUnauthorized, "this token is not known here", challenge + `, error="invalid_token"`}
	}
	if !caller.may(need) {
		return nil, &denial{fiber.StatusForbidden, fmt.Sprintf("token %q lacks the scope %q", caller.name, need),
			fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, need)}
	}
	if need == scopeInfer {
		return caller, caller.allowed.spend(time.Now())
	}
	return caller, nil
}

// admitModel holds a caller to the models that its token is for. Every name of a
// model in a request has to pass here, wherever in the request it stands.
func admitModel(caller *token, model string) error {
	if caller == nil {
		return nil
	}
	name := model
	if i := strings.IndexAny(model, ":@"); i >= 0 { // name:version, name@digest
		name = model[:i]
	}
	if caller.allows(name) {
		return nil
	}
	return &denial{fiber.StatusForbidden, fmt.Sprintf("token %q is not for model %q", caller.name, name), ""}
}

// admitTotals holds a caller to what it may see: what is of all models together,
// only with a token for all of them.
func admitTotals(caller *token) error {
	if caller == nil || len(caller.models) == 0 || slices.Contains(caller.models, "*") {
		return nil
	}
	return &denial{fiber.StatusForbidden, fmt.Sprintf("token %q is for some models; this is of all of them", caller.name), ""}
}
