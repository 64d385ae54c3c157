package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"eigenserve/store/tensorfile"
)

// Digest returns the SHA-256 of a file's bytes in hexadecimal: its name in the store.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func blobFile(digest string) string { return "blobs/" + digest + ".safetensors" }

// putBlob writes an immutable file and returns its digest. A file that exists is
// written again: its name does not say whether its bytes are intact. The caller holds
// change.
func (s *Store) putBlob(raw []byte) (digest string, err error) {
	digest = Digest(raw)
	return digest, s.lock.Put(blobFile(digest), func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// openBlob maps a file in blobs/.
func (s *Store) openBlob(file string) (*tensorfile.File, error) {
	path, err := s.files.Path(file)
	if err != nil {
		return nil, err
	}
	return tensorfile.Open(path)
}

// readBlob returns the bytes of a blob after checking its digest. remedy says what to
// do if they are missing or damaged.
func (s *Store) readBlob(digest, remedy string) ([]byte, error) {
	raw, err := fs.ReadFile(s.files, blobFile(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; %s", ErrNotFound, remedy)
	}
	if err != nil {
		return nil, err
	}
	if has := Digest(raw); has != digest {
		return nil, fmt.Errorf("%w: its bytes have digest %s; %s", ErrDigest, short(has), remedy)
	}
	return raw, nil
}

// verifyBlob reads a blob once, without keeping it, and checks its digest.
func (s *Store) verifyBlob(digest, remedy string) error {
	f, err := s.files.Open(blobFile(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; %s", ErrNotFound, remedy)
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
		return fmt.Errorf("%w: its bytes have digest %s; %s", ErrDigest, short(has), remedy)
	}
	return nil
}

func isDigest(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// short returns the first characters of a digest, enough for a message.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
