package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store"
)

// A change of any byte of a blob is noticed.
func TestDamagedByte(t *testing.T) {
	s := create(t)
	f, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	e := put(t, s, "cats", "cat")
	for _, c := range []struct {
		digest, says string
		read         func(digest string) error
	}{
		{f.Basis, "fit the family again", func(d string) error { _, err := s.OpenBasis(d); return err }},
		{e.Digest, "add the model again", func(d string) error { _, err := s.ReadVariant(d); return err }},
	} {
		path := filepath.Join(s.Dir(), "blobs", c.digest+".safetensors")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(raw); i += 7 {
			file.WriteAt([]byte{raw[i] ^ 1<<(i%8)}, int64(i))
			if err := c.read(c.digest); !errors.Is(err, store.ErrDigest) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("byte %d: %v, want %v containing %q", i, err, store.ErrDigest, c.says)
			}
			file.WriteAt(raw[i:i+1], int64(i))
		}
		if err := errors.Join(c.read(c.digest), file.Close()); err != nil {
			t.Fatal(err)
		}
		for _, damaged := range [][]byte{nil, raw[:len(raw)-1], append(bytes.Clone(raw), 0)} {
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := c.read(c.digest); !errors.Is(err, store.ErrDigest) {
				t.Errorf("%d bytes of %d: %v", len(damaged), len(raw), err)
			}
		}
		os.Remove(path)
		if err := c.read(c.digest); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a missing file: %v", err)
		}
	}
	// Putting the same file again repairs it.
	if _, err := s.PutBasis(tinyBasis()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "cats", "cat")
	checkIntact(t, s)
}

// An intact file of the other kind is refused.
func TestPointersToOtherKind(t *testing.T) {
	s := create(t)
	f, err := s.PutBasis(tinyBasis())
	if err != nil {
		t.Fatal(err)
	}
	e := put(t, s, "cats", "cat")
	if _, err := s.ReadVariant(f.Basis); !errors.Is(err, store.ErrFormat) {
		t.Errorf("a basis read as a variant: %v", err)
	}
	if _, err := s.OpenBasis(e.Digest); !errors.Is(err, store.ErrFormat) {
		t.Errorf("a variant opened as a basis: %v", err)
	}
}
