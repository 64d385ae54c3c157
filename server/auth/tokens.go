package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	goruntime "runtime"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"eigenserve/server/internal/reload"
)

// shortestToken is how long a token must be at least, if it is written out: 16
// characters of hexadecimal are 64 bits.
const shortestToken = 16

// Tokens are the tokens that a server accepts. They follow their file.
type Tokens struct{ file *reload.Value[[]Caller] }

// Caller is one of them. What it may do is what its scopes and patterns say.
type Caller struct {
	name   string
	sum    [sha256.Size]byte
	scopes []Scope
	models []string // patterns of names; none: all
	// allowed bounds its inferences; nil does not. It begins anew when the file is
	// read again.
	allowed *allowance
}

// tokenEntry is a token as its file has it.
type tokenEntry struct {
	Name   string   `yaml:"name"`
	Token  string   `yaml:"token"`
	SHA256 string   `yaml:"sha256"`
	Scopes []Scope  `yaml:"scopes"`
	Models []string `yaml:"models"`
	Rate   *float64 `yaml:"rate"`
}

// OpenTokens reads a file of tokens:
//
//	tokens:
//	  - name: ci                 # for the log
//	    sha256: 9f86d081…        # of the token; or token: the token itself
//	    scopes: [read, infer]    # of read, infer, admin
//	    models: ["birds-*"]      # left out: all
//	    rate: 50                 # inferences a second; left out: any
//
// Others than its owner must not be able to write the file, nor to read it if
// tokens are written out in it.
func OpenTokens(file string, log *slog.Logger) (*Tokens, error) {
	f, err := reload.Open(log, func() ([]Caller, error) { return readTokens(file) }, file)
	if err != nil {
		return nil, err
	}
	return &Tokens{f}, nil
}

func readTokens(file string) ([]Caller, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	list, plain, err := parseTokens(raw)
	if err != nil {
		return nil, fmt.Errorf("tokens: %s: %w", file, err)
	}
	mode := info.Mode().Perm()
	switch {
	case goruntime.GOOS == "windows": // has no such bits
	case mode&0o022 != 0:
		return nil, fmt.Errorf("tokens: %s can be written by others (mode %#o): chmod 600 it", file, mode)
	case plain && mode&0o077 != 0:
		return nil, fmt.Errorf("tokens: %s holds tokens as they are and can be read by others (mode %#o): chmod 600 it, or keep their SHA-256", file, mode)
	}
	return list, nil
}

// parseTokens tells also whether any token is written out.
func parseTokens(raw []byte) (list []Caller, plain bool, err error) {
	var file struct {
		Tokens []tokenEntry `yaml:"tokens"`
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && err != io.EOF {
		return nil, false, err
	}
	if len(file.Tokens) == 0 {
		return nil, false, errors.New("it holds no tokens; it must have the form tokens: [{name, sha256, scopes}]")
	}
	for i, e := range file.Tokens {
		t, err := e.token()
		if err != nil {
			return nil, false, fmt.Errorf("token %d (%q): %w", i+1, e.Name, err)
		}
		for _, other := range list {
			if other.name == t.name || other.sum == t.sum {
				return nil, false, fmt.Errorf("%q and %q have one name or one token between them", other.name, t.name)
			}
		}
		list = append(list, t)
		plain = plain || e.Token != ""
	}
	return list, plain, nil
}

func (e tokenEntry) token() (t Caller, err error) {
	t = Caller{name: e.Name, scopes: e.Scopes, models: e.Models}
	switch {
	case e.Name == "":
		return t, errors.New("it needs a name")
	case (e.Token == "") == (e.SHA256 == ""):
		return t, errors.New("it needs either token or sha256")
	case e.Token != "" && len(e.Token) < shortestToken:
		return t, fmt.Errorf("it is shorter than %d characters; `openssl rand -hex 32` makes a good one", shortestToken)
	case len(e.Scopes) == 0:
		return t, errors.New("it needs scopes: some of read, infer, admin")
	}
	for _, s := range e.Scopes {
		if !slices.Contains([]Scope{Read, Infer, Admin}, s) {
			return t, fmt.Errorf("scope %q: use read, infer, admin", s)
		}
	}
	for _, pattern := range e.Models {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return t, fmt.Errorf("%q is no pattern for names of models", pattern)
		}
	}
	if e.Rate != nil {
		if !(*e.Rate > 0 && *e.Rate <= 1e6) {
			return t, fmt.Errorf("rate %g: use inferences a second, above 0 and at most a million, or leave it out", *e.Rate)
		}
		t.allowed = &allowance{rate: *e.Rate}
	}
	if e.Token != "" {
		t.sum = sha256.Sum256([]byte(e.Token))
		return t, nil
	}
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != len(t.sum) {
		return t, errors.New("sha256 must be 64 hexadecimal digits: `printf %s TOKEN | sha256sum`")
	}
	copy(t.sum[:], sum)
	return t, nil
}

// find gives the token that was presented, nil if it is none of ours. How long it
// takes tells nothing about any of them: digests are compared, each to its end.
func (t *Tokens) find(presented string) *Caller {
	list := t.file.Get()
	sum := sha256.Sum256([]byte(presented))
	var found *Caller
	for i := range list {
		if subtle.ConstantTimeCompare(sum[:], list[i].sum[:]) == 1 {
			found = &list[i]
		}
	}
	return found
}

// Name is the token's name in its file.
func (t *Caller) Name() string { return t.name }

// Reload reads the file again, whether it changed or not.
func (t *Tokens) Reload() error { return t.file.Reload() }

// CheckEvery sets how long the file counts as unchanged.
func (t *Tokens) CheckEvery(d time.Duration) { t.file.CheckEvery(d) }

// may tells whether the token has a scope.
func (t *Caller) may(s Scope) bool { return slices.Contains(t.scopes, s) }

// Sees tells whether the token is for a model of this name.
func (t *Caller) Sees(model string) bool {
	if t == nil || len(t.models) == 0 {
		return true
	}
	return slices.ContainsFunc(t.models, func(pattern string) bool {
		ok, _ := path.Match(pattern, model) // patterns were tried when they were read
		return ok
	})
}
