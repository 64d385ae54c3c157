package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// addsReport is how a catalogue behaves that grows.
type addsReport struct {
	Pages   int       `json:"pages"` // of the whole list
	Listed  latencies `json:"page"`
	Added   latencies `json:"added"`
	Removed latencies `json:"removed"`
}

// adds lists all models, page by page, and hot-adds so many, which are then
// removed again. Each is a copy of one that is there, under another name.
func (l *loading) adds(ctx context.Context, t *target, p *progress) (*addsReport, error) {
	out := &addsReport{}
	listed, err := t.listed(ctx)
	if err != nil {
		return nil, err
	}
	out.Pages, out.Listed = int(listed.answered), latenciesOf(listed.all)
	added, removed := newOutcomes(), newOutcomes()
	for i := range l.addCount {
		file, err := os.ReadFile(filepath.Join(l.store, "blobs", t.models[i*len(t.models)/l.addCount].digest+".safetensors"))
		if err != nil {
			return nil, err
		}
		path := "/v1/models/" + url.PathEscape(fmt.Sprintf("bench-added-%d", i))
		if err := t.timed(ctx, added, http.MethodPut, path, file); err != nil {
			return nil, err
		}
		p.show("hot-adds", i+1, l.addCount)
	}
	for i := range l.addCount {
		if err := t.timed(ctx, removed, http.MethodDelete, "/v1/models/"+url.PathEscape(fmt.Sprintf("bench-added-%d", i)), nil); err != nil {
			return nil, err
		}
	}
	out.Added, out.Removed = latenciesOf(added.all), latenciesOf(removed.all)
	return out, nil
}

// timed calls a route and counts how long it took.
func (t *target) timed(ctx context.Context, out *outcomes, method, path string, body []byte) error {
	began := time.Now()
	_, err := t.client.call(ctx, method, path, "application/octet-stream", bytes.NewReader(body), nil)
	out.add(outcome{status: http.StatusOK, took: time.Since(began)})
	return err
}

// listed reads the whole list.
func (t *target) listed(ctx context.Context) (*outcomes, error) {
	out, after := newOutcomes(), ""
	for {
		var page struct {
			Next string `json:"next"`
		}
		began := time.Now()
		if _, err := t.client.call(ctx, http.MethodGet, "/v1/models?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return nil, err
		}
		out.add(outcome{status: http.StatusOK, took: time.Since(began)})
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}
