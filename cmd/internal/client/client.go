// Package client calls the HTTP API of a running server. It knows no flags and prints
// nothing.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
)

// TokenVariable is the environment variable of the token that a client sends. There
// is no flag for it: other users of a machine can read a program's arguments.
const TokenVariable = "EIGENSERVE_TOKEN"

// Client calls one server.
type Client struct {
	BaseURL string // without a slash at the end
	HTTP    *http.Client
	token   string
}

// New returns a client of the server at an address, which may lack "http://".
func New(server string) (*Client, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, cli.Usagef("--server %q: give an address such as http://127.0.0.1:8080", server)
	}
	return &Client{BaseURL: strings.TrimRight(u.String(), "/"), token: os.Getenv(TokenVariable), HTTP: &http.Client{}}, nil
}

// Error is a server's refusal, or its silence.
type Error struct {
	Status  int // of HTTP; 0 if there was no answer
	message string
}

func (e *Error) Error() string { return e.message }

// Do sends a request and returns the response, whatever its status.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.HTTP.Do(req)
}

// Call sends a request and decodes the JSON answer into out, unless out is nil. It
// returns the answer's status, and an *Error where that is not a success.
func (c *Client) Call(ctx context.Context, method, path, contentType string, body io.Reader, out any) (status int, err error) {
	res, err := c.Do(ctx, method, path, contentType, body)
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return 0, &Error{0, fmt.Sprintf("the certificate of %s is not trusted (%v): name the certificates to trust in SSL_CERT_FILE", c.BaseURL, untrusted.Err)}
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, &Error{0, fmt.Sprintf("no answer from %s (%v): is the server running?", c.BaseURL, err)}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	if err != nil {
		return res.StatusCode, fmt.Errorf("read the answer of %s: %w", c.BaseURL, err)
	}
	if res.StatusCode >= 300 {
		var e struct{ Error string }
		if json.Unmarshal(raw, &e) != nil || e.Error == "" {
			e.Error = res.Status
		}
		if res.StatusCode == http.StatusUnauthorized {
			e.Error += "; set " + TokenVariable + " to a token of the server"
		}
		return res.StatusCode, &Error{res.StatusCode, c.BaseURL + ": " + commandFor(e.Error)}
	}
	if out == nil {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return res.StatusCode, fmt.Errorf("%s does not answer like eigenserve: %w", c.BaseURL, err)
	}
	return res.StatusCode, nil
}

// commandFor returns a server's error with the command that lists names instead of the
// route.
func commandFor(text string) string {
	for route, kind := range map[string]string{"models": "model", "aliases": "alias", "families": "family"} {
		if text, ok := strings.CutSuffix(text, "GET /v1/"+route+" lists them"); ok {
			return text + cli.Lists[kind]
		}
	}
	return text
}

// CallJSON is Call with a JSON body.
func (c *Client) CallJSON(ctx context.Context, method, path string, in, out any) (status int, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	return c.Call(ctx, method, path, "application/json", bytes.NewReader(body), out)
}

// Variants returns all models, which it reads page by page.
func (c *Client) Variants(ctx context.Context) ([]runtime.VariantInfo, error) {
	all, after := []runtime.VariantInfo{}, ""
	for {
		var page struct {
			Models []runtime.VariantInfo `json:"models"`
			Next   string                `json:"next"`
		}
		if _, err := c.Call(ctx, http.MethodGet, "/v1/models?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Models...)
		if page.Next == "" {
			return all, nil
		}
		after = page.Next
	}
}

// Variant returns one model.
func (c *Client) Variant(ctx context.Context, name string) (d runtime.VariantDetail, err error) {
	_, err = c.Call(ctx, http.MethodGet, "/v1/models/"+url.PathEscape(name), "", nil, &d)
	return d, err
}

// Remove removes a model.
func (c *Client) Remove(ctx context.Context, name string) error {
	_, err := c.Call(ctx, http.MethodDelete, "/v1/models/"+url.PathEscape(name), "", nil, nil)
	return err
}

// AddCheckpoint uploads a checkpoint, and reports whether it replaced a model.
func (c *Client) AddCheckpoint(ctx context.Context, family, name string, ck *checkpoint.Checkpoint) (info runtime.VariantInfo, replaced bool, err error) {
	form := NewForm(ck)
	defer form.Close()
	status, err := c.Call(ctx, http.MethodPost, "/v1/families/"+url.PathEscape(family)+"/models/"+url.PathEscape(name), form.ContentType, form, &info)
	return info, status == http.StatusOK, err
}

// PutVariant uploads a variant file, and reports whether it replaced a model.
func (c *Client) PutVariant(ctx context.Context, name string, file []byte) (info runtime.VariantInfo, replaced bool, err error) {
	status, err := c.Call(ctx, http.MethodPut, "/v1/models/"+url.PathEscape(name), "application/octet-stream", bytes.NewReader(file), &info)
	return info, status == http.StatusOK, err
}

// Memory returns the server's account of its memory.
func (c *Client) Memory(ctx context.Context) (l runtime.Ledger, err error) {
	_, err = c.Call(ctx, http.MethodGet, "/v1/memory", "", nil, &l)
	return l, err
}
