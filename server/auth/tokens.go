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

// minTokenLength is how long a token in plain text must be: 16 hexadecimal characters are
// 64 bits.
const minTokenLength = 16

// Tokens are the tokens that a server accepts. They are read again when their file
// changes. A nil *Tokens lets anyone do everything.
type Tokens struct {
	file *reload.Value[[]Caller]
}

// Caller is the holder of one token. A nil *Caller may do everything.
type Caller struct {
	name   string
	sum    [sha256.Size]byte // of the token
	scopes []Scope
	models []string // patterns of names; none: all models
	// limit bounds the rate of inferences, nil if there is no limit. It starts anew
	// when the file is read again.
	limit *rateLimiter
}

// entry is a token as its file describes it.
type entry struct {
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
//	    sha256: 9f86d081…        # of the token; or token: the token in plain text
//	    scopes: [read, infer]    # of read, infer, admin
//	    models: ["birds-*"]      # optional; default: all
//	    rate: 50                 # inferences per second; optional; default: no limit
//
// Only the owner may be able to write the file, and to read it if it has tokens in plain
// text.
func OpenTokens(file string, log *slog.Logger) (*Tokens, error) {
	f, err := reload.Open(log, func() ([]Caller, error) { return readTokens(file) }, file)
	if err != nil {
		return nil, err
	}
	return &Tokens{f}, nil
}

// Reload reads the file again, whether it has changed or not.
func (t *Tokens) Reload() error { return t.file.Reload() }

// CheckEvery sets how long to trust that the file is unchanged.
func (t *Tokens) CheckEvery(d time.Duration) { t.file.CheckEvery(d) }

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
	callers, plain, err := parseTokens(raw)
	if err != nil {
		return nil, fmt.Errorf("tokens: %s: %w", file, err)
	}
	mode := info.Mode().Perm()
	switch {
	case goruntime.GOOS == "windows": // has no such bits
	case mode&0o022 != 0:
		return nil, fmt.Errorf("tokens: %s can be written by others (mode %#o): chmod 600 it", file, mode)
	case plain && mode&0o077 != 0:
		return nil, fmt.Errorf("tokens: %s contains tokens in plain text and can be read by others (mode %#o): chmod 600 it, or store the SHA-256 of each token instead", file, mode)
	}
	return callers, nil
}

// parseTokens reads the content of a file of tokens. plain reports whether any token is
// in plain text.
func parseTokens(raw []byte) (callers []Caller, plain bool, err error) {
	var file struct {
		Tokens []entry `yaml:"tokens"`
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && err != io.EOF {
		return nil, false, err
	}
	if len(file.Tokens) == 0 {
		return nil, false, errors.New("it contains no tokens; it must have the form tokens: [{name, sha256, scopes}]")
	}
	for i, e := range file.Tokens {
		c, err := e.caller()
		if err != nil {
			return nil, false, fmt.Errorf("token %d (%q): %w", i+1, e.Name, err)
		}
		for _, other := range callers {
			if other.name == c.name || other.sum == c.sum {
				return nil, false, fmt.Errorf("%q and %q have the same name or the same token", other.name, c.name)
			}
		}
		callers = append(callers, c)
		plain = plain || e.Token != ""
	}
	return callers, plain, nil
}

// caller returns the caller that an entry describes.
func (e entry) caller() (c Caller, err error) {
	c = Caller{name: e.Name, scopes: e.Scopes, models: e.Models}
	if err := e.check(); err != nil {
		return c, err
	}
	if e.Rate != nil {
		c.limit = &rateLimiter{rate: *e.Rate}
	}
	if e.Token != "" {
		c.sum = sha256.Sum256([]byte(e.Token))
		return c, nil
	}
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != len(c.sum) {
		return c, errors.New("sha256 must be 64 hexadecimal digits: `printf %s TOKEN | sha256sum`")
	}
	copy(c.sum[:], sum)
	return c, nil
}

// check returns what is wrong with an entry, its sha256 aside.
func (e entry) check() error {
	switch {
	case e.Name == "":
		return errors.New("it needs a name")
	case (e.Token == "") == (e.SHA256 == ""):
		return errors.New("it needs either token or sha256")
	case e.Token != "" && len(e.Token) < minTokenLength:
		return fmt.Errorf("it is shorter than %d characters; `openssl rand -hex 32` makes a good one", minTokenLength)
	case len(e.Scopes) == 0:
		return errors.New("it needs scopes: some of read, infer, admin")
	}
	for _, s := range e.Scopes {
		if !slices.Contains([]Scope{Read, Infer, Admin}, s) {
			return fmt.Errorf("scope %q: use read, infer, admin", s)
		}
	}
	for _, pattern := range e.Models {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%q is not a valid pattern of model names", pattern)
		}
	}
	if e.Rate != nil && !(*e.Rate > 0 && *e.Rate <= 1e6) {
		return fmt.Errorf("rate %g: use inferences per second, above 0 and at most a million, or leave it out", *e.Rate)
	}
	return nil
}

// find returns the caller whose token was presented, nil if there is none. How long it
// takes says nothing about any token: it compares all digests, each to its end.
func (t *Tokens) find(presented string) *Caller {
	callers := t.file.Get()
	sum := sha256.Sum256([]byte(presented))
	var found *Caller
	for i := range callers {
		if subtle.ConstantTimeCompare(sum[:], callers[i].sum[:]) == 1 {
			found = &callers[i]
		}
	}
	return found
}

// Name returns the name of the caller's token.
func (c *Caller) Name() string { return c.name }

// Sees reports whether the caller's token is for a model of this name.
func (c *Caller) Sees(model string) bool {
	if c == nil || len(c.models) == 0 {
		return true
	}
	return slices.ContainsFunc(c.models, func(pattern string) bool {
		ok, _ := path.Match(pattern, model) // the pattern was checked when it was read
		return ok
	})
}
