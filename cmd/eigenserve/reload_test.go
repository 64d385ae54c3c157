package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eigenserve/runtime"
	"eigenserve/runtime/learn"
	"eigenserve/store"
)

// TestRefitOfServedStore refits a family while clients use a server of its store. Every
// request must be answered, by a version that the store has or had, and in the end by the
// new versions alone, from one basis.
func TestRefitOfServedStore(t *testing.T) {
	if testing.Short() {
		t.Skip("fits two families")
	}
	folders, dir := zooFolders(t, "models", 40), filepath.Join(t.TempDir(), "store")
	quick := []string{"--store", dir, "--family", "f", "--metric", "none", "--rank", "8", "--step", "2.8"}
	must(t, append(append([]string{"fit"}, quick...), folders...)...)
	finer := append(slices.Clone(quick[:len(quick)-1]), "2")
	known := currentVersions(t, dir)
	r := runServe(t, "--store", dir)
	basis := memoryOf(t, r.addr).Basis

	var answered atomic.Int64
	var done atomic.Bool
	var seen sync.Map // Eigenserve-Variant to true
	var clients sync.WaitGroup
	for k := range 4 {
		clients.Go(func() {
			for i := k; !done.Load(); i++ {
				variant, err := classifyOnce(r.addr, filepath.Base(folders[i%len(folders)]))
				if err != nil {
					t.Error(err)
					return
				}
				seen.Store(variant, true)
				answered.Add(1)
			}
		})
	}
	until(t, "all models have been requested", func() bool { return answered.Load() > int64(2*len(folders)) })
	must(t, append(append([]string{"refit"}, quick...), folders[1:]...)...)
	var after learn.Refitted // again with all: no variant stays on the first basis
	if err := json.Unmarshal([]byte(must(t, append(append([]string{"refit", "--json"}, finer...), folders...)...)), &after); err != nil {
		t.Fatal(err)
	}
	now := currentVersions(t, dir)
	for variant := range now {
		known[variant] = true
	}
	until(t, "the server has all new versions", func() bool {
		for _, path := range folders {
			if variant, err := classifyOnce(r.addr, filepath.Base(path)); err != nil || !now[variant] {
				return false
			}
		}
		return true
	})
	done.Store(true)
	clients.Wait()
	seen.Range(func(variant, _ any) bool {
		if v := variant.(string); !known[v] && !isOldVersion(t, dir, v) {
			t.Errorf("answered by %s, which was never in the store", v)
		}
		return true
	})
	until(t, "one basis is left", func() bool { return memoryOf(t, r.addr).Basis <= basis })
	t.Logf("%d requests answered, none failed", answered.Load())
	r.stop()
	<-r.ended
}

// currentVersions returns name@digest of every model's current version.
func currentVersions(t *testing.T, dir string) map[string]bool {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, e := range s.Variants() {
		out[e.Name+"@"+e.Digest] = true
	}
	return out
}

// isOldVersion reports whether name@digest is an older version in the store.
func isOldVersion(t *testing.T, dir, variant string) bool {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Variants() {
		versions, _ := s.Versions(e.Name)
		for _, v := range versions {
			if v.Name+"@"+v.Digest == variant {
				return true
			}
		}
	}
	return false
}

func classifyOnce(addr, name string) (variant string, err error) {
	res, err := http.Post("http://"+addr+"/v1/models/"+name+"/classify", "image/png", bytes.NewReader(blank()))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", name, res.Status, body)
	}
	return res.Header.Get("Eigenserve-Variant"), err
}

var blank = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 32, 32))); err != nil {
		panic(err)
	}
	return out.Bytes()
})

func memoryOf(t *testing.T, addr string) (l runtime.Ledger) {
	t.Helper()
	_, body := get(t, "http://"+addr+"/v1/memory", "")
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
