package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"eigenserve/store/tensorfile"
)

// Probes are unlabelled images on which a family's variants are held against
// their originals, kept in the store by digest so that each of them meets the
// same: a safetensors file with images U8 [n, height, width, channels].
type Probes struct {
	Count, Height, Width, Channels int
	Pix                            []byte // (Count, Height, Width, Channels)
}

// BuiltInProbes is what a basis and a report say of images that the program
// draws itself and that no file holds.
const BuiltInProbes = "built-in"

// What a family keeps at most.
const (
	MostProbes     = 1024
	MostProbeBytes = 64 << 20
)

const (
	probesFormat = "eigenserve.probes"
	probesTensor = "images"
)

// check tells whether the probes are what a store keeps.
func (p *Probes) check() error {
	switch {
	case min(p.Count, p.Height, p.Width) < 1 || p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("%w: probe images [%d, %d, %d, %d]", ErrFormat, p.Count, p.Height, p.Width, p.Channels)
	case p.Count > MostProbes || len(p.Pix) > MostProbeBytes:
		return fmt.Errorf("%w: %d probe images of %d bytes; at most %d of %d are kept", ErrFormat, p.Count, len(p.Pix), MostProbes, MostProbeBytes)
	case len(p.Pix) != p.Count*p.Height*p.Width*p.Channels:
		return fmt.Errorf("%w: %d bytes for probe images [%d, %d, %d, %d]", ErrFormat, len(p.Pix), p.Count, p.Height, p.Width, p.Channels)
	}
	return nil
}

// PutProbes stores probe images and gives the digest that a basis names them by.
// A basis that names them is to be put afterwards.
func (s *Store) PutProbes(p *Probes) (digest string, err error) {
	if err := p.check(); err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	var file bytes.Buffer
	tensors := map[string]tensorfile.Tensor{probesTensor: {DType: "U8", Shape: []int{p.Count, p.Height, p.Width, p.Channels}, Data: p.Pix}}
	if err := tensorfile.Encode(&file, tensors, map[string]string{"format": probesFormat, "version": version}); err != nil {
		return "", fmt.Errorf("store: probes: %w", err)
	}
	end, err := s.begin()
	if err != nil {
		return "", err
	}
	defer end()
	if digest, err = s.putBlob(file.Bytes()); err != nil {
		return "", fmt.Errorf("store: probes: %w", err)
	}
	return digest, nil
}

// ReadProbes reads probe images by digest after checking that their bytes have it.
func (s *Store) ReadProbes(digest string) (*Probes, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("store: %w: %q is not a digest of probe images", ErrFormat, digest)
	}
	raw, err := os.ReadFile(s.blob(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("store: probe images %s: %w; fit the family again or restore the file", short(digest), ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if has := Digest(raw); has != digest {
		return nil, fmt.Errorf("store: probe images %s: %w: their bytes have digest %s; fit the family again", short(digest), ErrDigest, short(has))
	}
	p, err := ParseProbes(raw)
	if err != nil {
		return nil, fmt.Errorf("store: probe images %s: %w", short(digest), err)
	}
	return p, nil
}

// ParseProbes reads probe images from the bytes of their file.
func ParseProbes(raw []byte) (*Probes, error) {
	f, err := tensorfile.Parse(raw)
	if err != nil {
		return nil, err
	}
	if has := f.Metadata["format"]; has != probesFormat {
		return nil, fmt.Errorf("%w: its format is %q, not %q", ErrFormat, has, probesFormat)
	}
	t, ok := f.Tensor(probesTensor)
	if !ok || t.DType != "U8" || len(t.Shape) != 4 {
		return nil, fmt.Errorf("%w: it holds no images U8 [n, height, width, channels]", ErrFormat)
	}
	p := &Probes{Count: t.Shape[0], Height: t.Shape[1], Width: t.Shape[2], Channels: t.Shape[3], Pix: t.Data}
	return p, p.check()
}
