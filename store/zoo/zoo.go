// Package zoo embeds a family to try: a basis and its variants, which are small Vision
// Transformers that each recognize the characters of one alphabet, and some images for them.
//
// The command in _gen/pack writes zoo.zip from a fitted store, and _gen/README.md says how
// such a family is trained. The glyphs in the images are rendered from the Noto fonts (SIL
// OFL 1.1); the archive holds the notice.
package zoo

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"eigenserve/store"
)

//go:embed zoo.zip
var archive []byte

// open opens the embedded archive.
func open() (*zip.Reader, error) {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("embedded family: %w", err)
	}
	return r, nil
}

// Install puts the embedded family into a store and returns its name.
func Install(s *store.Store) (family string, err error) {
	r, err := open()
	if err != nil {
		return "", err
	}
	if raw, err := fs.ReadFile(r, "probes.safetensors"); err == nil {
		p, err := store.ParseProbes(raw)
		if err == nil {
			_, err = s.PutProbes(p)
		}
		if err != nil {
			return "", fmt.Errorf("embedded family: probes: %w", err)
		}
	}
	raw, err := fs.ReadFile(r, "basis.safetensors")
	if err != nil {
		return "", fmt.Errorf("embedded family: %w", err)
	}
	f, err := s.PutBasisFile(raw)
	if err != nil {
		return "", fmt.Errorf("embedded family: %w", err)
	}
	models, err := fs.Glob(r, "models/*.safetensors")
	if err != nil {
		return "", fmt.Errorf("embedded family: %w", err)
	}
	for _, file := range models {
		raw, err := fs.ReadFile(r, file)
		if err != nil {
			return "", fmt.Errorf("embedded family: %w", err)
		}
		v, err := store.ParseVariant(raw)
		if err != nil {
			return "", fmt.Errorf("embedded family: %s: %w", file, err)
		}
		if _, _, err := s.PutVariant(strings.TrimSuffix(path.Base(file), ".safetensors"), v, raw); err != nil {
			return "", fmt.Errorf("embedded family: %w", err)
		}
	}
	return f.Name, nil
}

// Samples returns images to try: the file v/l.png is an image for the variant v with the
// label l.
func Samples() (fs.FS, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	return fs.Sub(r, "samples")
}
