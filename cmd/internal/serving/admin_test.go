package serving

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// get returns the status and the body of an answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(raw)
}

func TestAdminHandler(t *testing.T) {
	admin := httptest.NewServer(adminHandler())
	defer admin.Close()
	srv := admin.URL
	if status, body := get(t, srv+"/debug/pprof/"); status != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("%d %.80s", status, body)
	}
	if status, _ := get(t, srv+"/debug/pprof/heap?debug=1"); status != 200 {
		t.Errorf("heap: %d", status)
	}
	if status, _ := get(t, srv+"/"); status != 404 {
		t.Errorf("another path: %d", status)
	}
	req, _ := http.NewRequest("GET", srv+"/debug/pprof/", nil)
	req.Host = "attacker.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host: %v %v", res, err)
	}
}
