package server_test

import (
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape returns /metrics after a few requests.
func scrape(t *testing.T) string {
	t.Helper()
	s := start(t, servertest.NewEngine(), server.Options{})
	s.Do(t, "POST", "/v1/models/music-1/classify", "image")
	s.Do(t, "POST", "/v1/models/nobody/classify", "image")
	s.Do(t, "GET", "/none", "")
	return s.Do(t, "GET", "/metrics", "").Body
}

// TestMetricsFollowConventions checks names, units, help and types like promtool.
func TestMetricsFollowConventions(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Neither variants nor addresses have series of their own.
func TestNumberOfSeriesIsBounded(t *testing.T) {
	f := servertest.NewEngine()
	for i := range 50 {
		f.Models = append(f.Models, servertest.Variant(fmt.Sprintf("v%02d", i)))
	}
	s := start(t, f, server.Options{})
	s.Do(t, "POST", "/v1/models/v00/classify", "image")
	s.Do(t, "GET", "/none", "")
	before := strings.Count(s.Do(t, "GET", "/metrics", "").Body, "\neigenserve_")
	for i := range 50 {
		s.Do(t, "POST", fmt.Sprintf("/v1/models/v%02d/classify", i), "image")
		s.Do(t, "GET", fmt.Sprintf("/none/%d", i), "")
	}
	after := s.Do(t, "GET", "/metrics", "").Body
	// The first scrape adds the series of its own route.
	if n := strings.Count(after, "\neigenserve_") - strings.Count(after, `route="metrics"`); n != before {
		t.Errorf("%d series became %d", before, n)
	}
	if strings.Contains(after, "v01") {
		t.Error("a variant's name is in a label")
	}
}

//go:embed grafana.json
var dashboard string

// TestDashboardUsesExistingMetrics compares the dashboard with the metrics.
func TestDashboardUsesExistingMetrics(t *testing.T) {
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(dashboard), &d); err != nil {
		t.Fatal(err)
	}
	measured := scrape(t)
	named := map[string]bool{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			names := regexp.MustCompile(`\b(eigenserve|process|go)_\w+`).FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("panel %q shows no metric: %q", p.Title, target.Expr)
			}
			for _, name := range names {
				named[name] = true
				if !strings.Contains(measured, "\n"+name+"{") && !strings.Contains(measured, "\n"+name+" ") {
					t.Errorf("panel %q shows %s, which does not exist", p.Title, name)
				}
			}
		}
	}
	if len(named) < 15 {
		t.Errorf("the dashboard shows only %d metrics", len(named))
	}
	labels := regexp.MustCompile(`(\w+)(?:=~?|!=)"`).FindAllStringSubmatch(strings.ReplaceAll(dashboard, `\"`, `"`), -1)
	for _, label := range labels {
		if known := []string{"route", "status", "stage", "part", "of", "state", "reason", "instance", "job", "le"}; !slices.Contains(known, label[1]) {
			t.Errorf("the dashboard uses the unknown label %q", label[1])
		}
	}
}
