package oip

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

// RepositoryLimit is how long the body of a request to the repository may be in bytes,
// if it contains no file.
const RepositoryLimit = 1 << 20

// indexPage is how many variants are listed at a time.
const indexPage = 1000

// IndexEntry is one version of a model in the repository.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// Index returns every version of every model that the caller may see.
func (s *Service) Index(caller *auth.Caller, onlyReady bool) []IndexEntry {
	out := []IndexEntry{}
	for after := ""; ; {
		list, next := s.Engine.Variants(after, indexPage)
		for _, v := range list {
			if !caller.Sees(v.Name) || onlyReady && v.Unloaded {
				continue
			}
			state, reason := "READY", ""
			if v.Unloaded {
				state, reason = "UNAVAILABLE", "unloaded"
			}
			for _, n := range v.Versions {
				out = append(out, IndexEntry{v.Name, strconv.Itoa(n), state, reason})
			}
		}
		if after = next; next == "" {
			return out
		}
	}
}

// ParseIndex reads the body of a request for the index. onlyReady reports whether it asks
// for models that are ready only.
func ParseIndex(body []byte) (onlyReady bool, err error) {
	var q struct {
		Ready bool `json:"ready"`
	}
	err = parseOptional(body, &q)
	return q.Ready, err
}

// parseOptional reads a body of JSON that may be empty.
func parseOptional(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalid("the body does not have the form of this request: %s", wire.JSONFault(err))
	}
	return nil
}

// Load loads a model that was unloaded, or adds the variant file that the body contains.
// added is nil if the body contains none.
func (s *Service) Load(ctx context.Context, name string, body []byte) (added *runtime.VariantInfo, err error) {
	var q struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := parseOptional(body, &q); err != nil {
		return nil, err
	}
	file, err := fileParameter(q.Parameters, base64Parameter)
	if err != nil {
		return nil, err
	}
	if file == nil {
		return nil, s.Engine.Load(name)
	}
	info, _, err := s.Engine.PutVariant(ctx, name, file)
	return &info, err
}

// fileParameter returns the variant file in the parameter file:<version>/<name> of a
// request to load, nil if there is none; decode returns the file in such a parameter. A
// config is allowed and ignored: a variant file needs none. An unknown parameter is an
// error: to the caller, it may mean something.
func fileParameter[V any](parameters map[string]V, decode func(key string, value V) ([]byte, error)) (file []byte, err error) {
	for key, value := range parameters {
		switch {
		case key == "config" || key == "unload_dependents":
			continue
		case !strings.HasPrefix(key, "file:"):
			return nil, invalid("there is no parameter %.100q: use file:<version>/<name> for a variant file", key)
		case file != nil:
			return nil, invalid("send one file: a variant is a single file")
		}
		if file, err = decode(key, value); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// base64Parameter returns the file in a parameter of REST.
func base64Parameter(key string, value json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, invalid("parameter %.100q must be the file in base64", key)
	}
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(file) == 0 {
		return nil, invalid("parameter %.100q is not base64, or empty", key)
	}
	return file, nil
}

// Unload unloads a model: it stays in the store but not in memory, and requests for it are
// refused until it is loaded.
func (s *Service) Unload(name string, body []byte) error {
	if err := parseOptional(body, &struct{}{}); err != nil {
		return err
	}
	return s.Engine.Unload(name)
}
