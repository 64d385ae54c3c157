package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"eigenserve/cmd/internal/cli"
)

// GrowthReport is how a catalogue behaves that grows.
type GrowthReport struct {
	Pages   int       `json:"pages"` // of the whole list
	Listed  Latencies `json:"page"`
	Added   Latencies `json:"added"`
	Removed Latencies `json:"removed"`
}

// measureGrowth lists all models, page by page, and hot-adds so many, which are then
// removed again. Each is a copy of one that is there, under another name.
func (l *Options) measureGrowth(ctx context.Context, t *target, p *cli.Progress) (*GrowthReport, error) {
	out := &GrowthReport{}
	listed, err := t.listed(ctx)
	if err != nil {
		return nil, err
	}
	out.Pages, out.Listed = int(listed.answered), Summarize(listed.all)
	added, removed := newStageStats(), newStageStats()
	for i := range l.Adds {
		file, err := os.ReadFile(filepath.Join(l.Store, "blobs", t.models[i*len(t.models)/l.Adds].digest+".safetensors"))
		if err != nil {
			return nil, err
		}
		path := "/v1/models/" + url.PathEscape(fmt.Sprintf("bench-added-%d", i))
		if err := t.timed(ctx, added, http.MethodPut, path, file); err != nil {
			return nil, err
		}
		p.Update("hot-adds", i+1, l.Adds)
	}
	for i := range l.Adds {
		if err := t.timed(ctx, removed, http.MethodDelete, "/v1/models/"+url.PathEscape(fmt.Sprintf("bench-added-%d", i)), nil); err != nil {
			return nil, err
		}
	}
	out.Added, out.Removed = Summarize(added.all), Summarize(removed.all)
	return out, nil
}

// timed calls a route and counts how long it took.
func (t *target) timed(ctx context.Context, out *stageStats, method, path string, body []byte) error {
	began := time.Now()
	_, err := t.client.Call(ctx, method, path, "application/octet-stream", bytes.NewReader(body), nil)
	out.add(result{status: http.StatusOK, latency: time.Since(began)})
	return err
}

// listed reads the whole list.
func (t *target) listed(ctx context.Context) (*stageStats, error) {
	out, after := newStageStats(), ""
	for {
		var page struct {
			Next string `json:"next"`
		}
		began := time.Now()
		if _, err := t.client.Call(ctx, http.MethodGet, "/v1/models?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return nil, err
		}
		out.add(result{status: http.StatusOK, latency: time.Since(began)})
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}
