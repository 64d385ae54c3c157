package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"eigenserve/store/durable"
)

// Digest is the SHA-256 of a file's bytes in hexadecimal: its name in the store.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func (s *Store) blob(digest string) string {
	return filepath.Join(s.dir, "blobs", digest+".safetensors")
}

// putBlob writes an immutable file. One that is there already is written
// again: its name says nothing of whether its bytes survived.
func (s *Store) putBlob(raw []byte) (string, error) {
	digest := Digest(raw)
	return digest, durable.Replace(s.blob(digest), func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// verify reads a blob once and compares its digest with its name.
func (s *Store) verify(path, digest string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if has := hex.EncodeToString(h.Sum(nil)); has != digest {
		return fmt.Errorf("%w: its bytes have digest %s; fit the family again or restore the file", ErrDigest, short(has))
	}
	return nil
}
