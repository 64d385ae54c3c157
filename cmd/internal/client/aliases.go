package client

import (
	"context"
	"net/http"
	"net/url"

	"eigenserve/runtime"
)

// Aliases returns all aliases.
func (c *Client) Aliases(ctx context.Context) ([]runtime.Alias, error) {
	var list struct {
		Aliases []runtime.Alias `json:"aliases"`
	}
	_, err := c.Call(ctx, http.MethodGet, "/v1/aliases", "", nil, &list)
	return list.Aliases, err
}

// PutAlias makes an alias stand for the targets.
func (c *Client) PutAlias(ctx context.Context, name string, targets []runtime.Target) (a runtime.Alias, err error) {
	_, err = c.CallJSON(ctx, http.MethodPut, "/v1/aliases/"+url.PathEscape(name), map[string]any{"targets": targets}, &a)
	return a, err
}

// RemoveAlias removes an alias; its models stay.
func (c *Client) RemoveAlias(ctx context.Context, name string) error {
	_, err := c.Call(ctx, http.MethodDelete, "/v1/aliases/"+url.PathEscape(name), "", nil, nil)
	return err
}
