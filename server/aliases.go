package server

import (
	"bytes"
	"encoding/json"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// aliasLimit is how long the body that moves an alias may be, in bytes.
const aliasLimit = 64 << 10

// aliasList is the list of all aliases. They are few, so it has no pages.
type aliasList struct {
	Aliases []runtime.Alias `json:"aliases"`
}

// aliasBody is the body that creates or moves an alias: one model, or several with
// weights.
type aliasBody struct {
	Model   string `json:"model"`
	Version int    `json:"version"`
	Targets []struct {
		Model   string `json:"model"`
		Version int    `json:"version"`
		Weight  *int   `json:"weight"`
	} `json:"targets"`
}

// listAliases answers GET /v1/aliases with the aliases that the caller may see.
func (s *Server) listAliases(r *request) error {
	list := []runtime.Alias{}
	for _, a := range s.engine.Aliases() {
		if r.caller.Sees(a.Name) {
			list = append(list, a)
		}
	}
	return r.sendJSON(fiber.StatusOK, aliasList{list})
}

// getAlias answers GET /v1/aliases/{alias}.
func (s *Server) getAlias(r *request) error {
	name, err := r.name("alias")
	if err != nil {
		return err
	}
	a, err := s.engine.Alias(name)
	if err != nil {
		return err
	}
	return r.sendJSON(fiber.StatusOK, a)
}

// putAlias answers PUT /v1/aliases/{alias}: it creates the alias, or moves it for all
// requests at once.
func (s *Server) putAlias(r *request) error {
	name, err := r.name("alias")
	if err != nil {
		return err
	}
	body, err := r.body.all()
	if err != nil {
		return err
	}
	targets, err := parseTargets(body)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.caller.CheckModel(t.Model); err != nil {
			return err
		}
	}
	a, replaced, err := s.engine.PutAlias(r.context(), name, targets)
	if err != nil {
		return err
	}
	if replaced {
		return r.sendJSON(fiber.StatusOK, a)
	}
	r.Location("/v1/aliases/" + url.PathEscape(name))
	return r.sendJSON(fiber.StatusCreated, a)
}

// parseTargets reads the body that creates or moves an alias.
func parseTargets(body []byte) ([]runtime.Target, error) {
	var m aliasBody
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // a misspelt "version" must not mean the current one
	const form = `{"model":"name","version":1} or {"targets":[{"model":"name","version":1,"weight":90},…]}`
	if err := d.Decode(&m); err != nil || d.More() {
		return nil, runtime.Errorf(runtime.Invalid, "the body does not have the form %s: %s", form, wire.JSONFault(err))
	}
	if (m.Model == "") == (len(m.Targets) == 0) || len(m.Targets) > 0 && m.Version != 0 {
		return nil, runtime.Errorf(runtime.Invalid, "say which model the alias stands for, as %s", form)
	}
	if m.Model != "" {
		return []runtime.Target{{Model: m.Model, Version: m.Version}}, nil
	}
	targets := make([]runtime.Target, len(m.Targets))
	for i, t := range m.Targets {
		targets[i] = runtime.Target{Model: t.Model, Version: t.Version}
		switch {
		case t.Weight != nil:
			targets[i].Weight = *t.Weight
		case len(targets) > 1: // without one it would get no requests
			return nil, runtime.Errorf(runtime.Invalid, "target %d, %q, has no weight; each of several targets needs one", i, t.Model)
		}
	}
	return targets, nil
}

// deleteAlias answers DELETE /v1/aliases/{alias}.
func (s *Server) deleteAlias(r *request) error {
	name, err := r.name("alias")
	if err != nil {
		return err
	}
	if err := s.engine.DeleteAlias(r.context(), name); err != nil {
		return err
	}
	return r.sendNoContent()
}
