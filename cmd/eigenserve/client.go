package main

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

	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
)

// tokenVariable holds the token that is shown to servers. It is no flag: the
// arguments of a program can be seen by others.
const tokenVariable = "EIGENSERVE_TOKEN"

// client speaks to a running server.
type client struct {
	base, token string
	http        *http.Client
}

func newClient(server string) (*client, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--server %q: give an address such as http://127.0.0.1:8080", server)
	}
	return &client{base: strings.TrimRight(u.String(), "/"), token: os.Getenv(tokenVariable), http: &http.Client{}}, nil
}

// refusal is what a server answers in the place of what was asked for.
type refusal struct {
	status int // 0: it doesn't answer
	text   string
}

func (r *refusal) Error() string { return r.text }

// call sends a request and decodes the JSON answer into out, or turns the
// server's {"error"} into an error.
func (c *client) call(ctx context.Context, method, path, contentType string, body io.Reader, out any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if unsure, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return 0, &refusal{0, fmt.Sprintf("%s can't prove that it is it (%v): SSL_CERT_FILE may name the certificates to trust", c.base, unsure.Err)}
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, &refusal{0, fmt.Sprintf("no answer from %s (%v): is the server running?", c.base, err)}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	if err != nil {
		return res.StatusCode, fmt.Errorf("answer of %s: %w", c.base, err)
	}
	if res.StatusCode >= 300 {
		var e struct{ Error string }
		if json.Unmarshal(raw, &e) != nil || e.Error == "" {
			e.Error = res.Status
		}
		if res.StatusCode == http.StatusUnauthorized {
			e.Error += "; put the token into " + tokenVariable
		}
		return res.StatusCode, &refusal{res.StatusCode, c.base + ": " + e.Error}
	}
	if out == nil {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return res.StatusCode, fmt.Errorf("%s does not answer as eigenserve does: %w", c.base, err)
	}
	return res.StatusCode, nil
}

// variants lists everything, page by page.
func (c *client) variants(ctx context.Context) ([]runtime.VariantInfo, error) {
	all, after := []runtime.VariantInfo{}, ""
	for {
		var page struct {
			Models []runtime.VariantInfo `json:"models"`
			Next   string                `json:"next"`
		}
		if _, err := c.call(ctx, http.MethodGet, "/v1/models?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Models...)
		if page.Next == "" {
			return all, nil
		}
		after = page.Next
	}
}

func (c *client) variant(ctx context.Context, name string) (d runtime.VariantDetail, err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/models/"+url.PathEscape(name), "", nil, &d)
	return d, err
}

func (c *client) remove(ctx context.Context, name string) error {
	_, err := c.call(ctx, http.MethodDelete, "/v1/models/"+url.PathEscape(name), "", nil, nil)
	return err
}

// addCheckpoint uploads a checkpoint.
func (c *client) addCheckpoint(ctx context.Context, family, name string, ck *checkpoint.Checkpoint) (info runtime.VariantInfo, replaced bool, err error) {
	form := newForm(ck)
	defer form.Close()
	status, err := c.call(ctx, http.MethodPost, "/v1/families/"+url.PathEscape(family)+"/models/"+url.PathEscape(name), form.contentType, form, &info)
	return info, status == http.StatusOK, err
}

// putVariant uploads a variant's file.
func (c *client) putVariant(ctx context.Context, name string, file []byte) (info runtime.VariantInfo, replaced bool, err error) {
	status, err := c.call(ctx, http.MethodPut, "/v1/models/"+url.PathEscape(name), "application/octet-stream", bytes.NewReader(file), &info)
	return info, status == http.StatusOK, err
}
