package server

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

// repositoryLimit is how long the body of a request to the repository may be that
// brings no file.
const repositoryLimit = 1 << 20

// indexEntry is one version of a model in the repository.
type indexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// repositoryIndex lists every version of every model that a caller may see.
func (s *Server) repositoryIndex(caller *auth.Caller, onlyReady bool) []indexEntry {
	out := []indexEntry{}
	for after := ""; ; {
		list, next := s.engine.Variants(after, largestPage)
		for _, v := range list {
			if !caller.Sees(v.Name) || onlyReady && v.Unloaded {
				continue
			}
			state, reason := "READY", ""
			if v.Unloaded {
				state, reason = "UNAVAILABLE", "unloaded"
			}
			for _, n := range v.Versions {
				out = append(out, indexEntry{v.Name, strconv.Itoa(n), state, reason})
			}
		}
		if after = next; next == "" {
			return out
		}
	}
}

// index answers POST /v2/repository/index.
func (s *Server) index(r *request) error {
	var q struct {
		Ready bool `json:"ready"`
	}
	if err := r.optionalJSON(&q); err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, s.repositoryIndex(r.caller, q.Ready))
}

// optionalJSON reads a body that may be empty.
func (r *request) optionalJSON(into any) error {
	body, err := r.body.all()
	if err != nil || len(body) == 0 {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalid("the body is not of the form that this request has: %s", wire.JSONFault(err))
	}
	return nil
}

// load answers POST /v2/repository/models/{name}/load.
func (s *Server) load(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	var q struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := r.optionalJSON(&q); err != nil {
		return err
	}
	file, err := fileParameter(q.Parameters)
	if err != nil {
		return err
	}
	if file == nil {
		if err := s.engine.Load(name); err != nil {
			return err
		}
		return r.answer(fiber.StatusOK, struct{}{})
	}
	info, _, err := s.engine.PutVariant(r.context(), name, file)
	if err != nil {
		return err
	}
	r.Set(wire.HeaderVariant, wire.VariantHeader(info.Name, info.Digest))
	return r.answer(fiber.StatusOK, struct{}{})
}

// fileParameter is the variant file that a request to load brings as the
// parameter file:<version>/<name>, nil if it brings none. A config is allowed and
// says nothing here: a variant file holds all that there is.
func fileParameter(parameters map[string]json.RawMessage) (file []byte, err error) {
	for key, value := range parameters {
		if !isFile(key) {
			if err := checkParameter(key); err != nil {
				return nil, err
			}
			continue
		}
		if file != nil {
			return nil, errTwoFiles
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, invalid("parameter %.100q must be the file in base64", key)
		}
		if file, err = base64.StdEncoding.DecodeString(text); err != nil || len(file) == 0 {
			return nil, invalid("parameter %.100q is not base64, or empty", key)
		}
	}
	return file, nil
}

var errTwoFiles = runtime.Errorf(runtime.Invalid, "give one file: a variant is one")

func isFile(key string) bool { return strings.HasPrefix(key, "file:") }

// checkParameter refuses a parameter that is not known, which may mean something
// to the caller.
func checkParameter(key string) error {
	if slices.Contains([]string{"config", "unload_dependents"}, key) {
		return nil
	}
	return invalid("there is no parameter %.100q: use file:<version>/<name> for a variant file", key)
}

// unload answers POST /v2/repository/models/{name}/unload: the model stays in the
// store, out of memory, and requests for it are refused until it is loaded.
func (s *Server) unload(r *request) error {
	name, err := r.name("variant")
	if err != nil {
		return err
	}
	if err := r.optionalJSON(&struct{}{}); err != nil {
		return err
	}
	if err := s.engine.Unload(name); err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct{}{})
}
