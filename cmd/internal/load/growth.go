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
)

// GrowthReport is how long it takes to list, add and remove models.
type GrowthReport struct {
	Pages   int       `json:"pages"` // of the whole list
	Listed  Latencies `json:"page"`
	Added   Latencies `json:"added"`
	Removed Latencies `json:"removed"`
}

// measureGrowth lists all models, page by page, hot-adds copies of some under other
// names, and removes them again.
func (r *run) measureGrowth(ctx context.Context) (*GrowthReport, error) {
	t, count := r.target, r.options.Adds
	listed, err := t.list(ctx)
	if err != nil {
		return nil, err
	}
	added, removed := newStageStats(), newStageStats()
	path := func(i int) string { return "/v1/models/" + url.PathEscape(fmt.Sprintf("bench-added-%d", i)) }
	for i := range count {
		file, err := os.ReadFile(filepath.Join(r.options.Store, "blobs", t.models[i*len(t.models)/count].digest+".safetensors"))
		if err != nil {
			return nil, err
		}
		if err := t.timed(ctx, added, http.MethodPut, path(i), file); err != nil {
			return nil, err
		}
		r.progress.Update("hot-adds", i+1, count)
	}
	for i := range count {
		if err := t.timed(ctx, removed, http.MethodDelete, path(i), nil); err != nil {
			return nil, err
		}
	}
	return &GrowthReport{Pages: int(listed.answered), Listed: Summarize(listed.all), Added: Summarize(added.all), Removed: Summarize(removed.all)}, nil
}

// timed calls a route and adds its latency to stats.
func (t *target) timed(ctx context.Context, stats *stageStats, method, path string, body []byte) error {
	start := time.Now()
	_, err := t.client.Call(ctx, method, path, "application/octet-stream", bytes.NewReader(body), nil)
	stats.add(result{status: http.StatusOK, latency: time.Since(start)})
	return err
}

// list reads the whole list of models and returns the latencies of its pages.
func (t *target) list(ctx context.Context) (*stageStats, error) {
	stats, after := newStageStats(), ""
	for {
		var page struct {
			Next string `json:"next"`
		}
		start := time.Now()
		if _, err := t.client.Call(ctx, http.MethodGet, "/v1/models?limit=1000&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return nil, err
		}
		stats.add(result{status: http.StatusOK, latency: time.Since(start)})
		if after = page.Next; after == "" {
			return stats, nil
		}
	}
}
