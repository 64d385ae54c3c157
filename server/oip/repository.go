package oip

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

// RepositoryLimit is how long the body of a request to the repository may be that
// brings no file.
const RepositoryLimit = 1 << 20

// indexPage is how many variants are listed at once.
const indexPage = 1000

// IndexEntry is one version of a model in the repository.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// Index lists every version of every model that a caller may see.
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

// ParseIndex reads the body of a request for the index: whether only models that are
// ready are asked for.
func ParseIndex(body []byte) (onlyReady bool, err error) {
	var q struct {
		Ready bool `json:"ready"`
	}
	err = optionalJSON(body, &q)
	return q.Ready, err
}

// optionalJSON reads a body that may be empty.
func optionalJSON(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalid("the body is not of the form that this request has: %s", wire.JSONFault(err))
	}
	return nil
}

// Load answers a request to load a model, whose body may bring a variant file. added
// is nil where it brings none.
func (s *Service) Load(ctx context.Context, name string, body []byte) (added *runtime.VariantInfo, err error) {
	var q struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := optionalJSON(body, &q); err != nil {
		return nil, err
	}
	file, err := fileParameter(q.Parameters)
	if err != nil {
		return nil, err
	}
	if file == nil {
		return nil, s.Engine.Load(name)
	}
	info, _, err := s.Engine.PutVariant(ctx, name, file)
	return &info, err
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

// Unload answers a request to unload a model: it stays in the store, out of memory,
// and requests for it are refused until it is loaded.
func (s *Service) Unload(name string, body []byte) error {
	if err := optionalJSON(body, &struct{}{}); err != nil {
		return err
	}
	return s.Engine.Unload(name)
}
