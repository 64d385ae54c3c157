package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/store"
)

func TestProbes(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	p := &store.Probes{Count: 3, Height: 2, Width: 4, Channels: 3, Pix: bytes.Repeat([]byte{1, 2, 3, 4}, 18)}
	digest, err := s.PutProbes(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.ReadProbes(digest)
	if err != nil || got.Count != 3 || got.Height != 2 || got.Width != 4 || !bytes.Equal(got.Pix, p.Pix) {
		t.Fatalf("%+v, %v", got, err)
	}
	for what, bad := range map[string]*store.Probes{
		"none":           {},
		"too many":       {Count: store.MaxProbes + 1, Height: 1, Width: 1, Channels: 1, Pix: make([]byte, store.MaxProbes+1)},
		"too large":      {Count: 1, Height: store.MaxProbeBytes + 1, Width: 1, Channels: 1, Pix: make([]byte, store.MaxProbeBytes+1)},
		"two channels":   {Count: 1, Height: 1, Width: 1, Channels: 2, Pix: make([]byte, 2)},
		"too few pixels": {Count: 2, Height: 1, Width: 1, Channels: 1, Pix: make([]byte, 1)},
	} {
		if _, err := s.PutProbes(bad); !errors.Is(err, store.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	path := filepath.Join(s.Dir(), "blobs", digest+".safetensors")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1]++
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadProbes(digest); !errors.Is(err, store.ErrDigest) {
		t.Errorf("a changed pixel: %v", err)
	}
	os.Remove(path)
	if _, err := s.ReadProbes(digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := s.ReadProbes("../../etc/passwd"); !errors.Is(err, store.ErrFormat) {
		t.Errorf("a path for a digest: %v", err)
	}
}
