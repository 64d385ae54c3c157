package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"eigenserve/runtime"
)

func (c *Client) Aliases(ctx context.Context) ([]runtime.Alias, error) {
	var list struct {
		Aliases []runtime.Alias `json:"aliases"`
	}
	_, err := c.Call(ctx, http.MethodGet, "/v1/aliases", "", nil, &list)
	return list.Aliases, err
}

func (c *Client) PutAlias(ctx context.Context, name string, targets []runtime.Target) (a runtime.Alias, err error) {
	body, err := json.Marshal(map[string]any{"targets": targets})
	if err != nil {
		return a, err
	}
	_, err = c.Call(ctx, http.MethodPut, "/v1/aliases/"+url.PathEscape(name), "application/json", bytes.NewReader(body), &a)
	return a, err
}

func (c *Client) RemoveAlias(ctx context.Context, name string) error {
	_, err := c.Call(ctx, http.MethodDelete, "/v1/aliases/"+url.PathEscape(name), "", nil, nil)
	return err
}
