package store

import (
	"bytes"
	"fmt"

	"eigenserve/store/tensorfile"
)

// Probes are unlabelled images on which a family's variants are compared with their
// originals. They are stored by digest, so that all variants are compared on the same
// images: a safetensors file with a tensor images U8 [n, height, width, channels].
type Probes struct {
	Count, Height, Width, Channels int
	Pix                            []byte // (Count, Height, Width, Channels)
}

// BuiltInProbes stands in a basis and a report for the images that the program draws
// itself, which have no file.
const BuiltInProbes = "built-in"

// Limits of a family's probe images.
const (
	MaxProbes     = 1024
	MaxProbeBytes = 64 << 20
)

const (
	probesFormat = "eigenserve.probes"
	probesTensor = "images"
)

// check returns an error unless a store may keep the probes.
func (p *Probes) check() error {
	switch {
	case min(p.Count, p.Height, p.Width) < 1 || p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("%w: probe images [%d, %d, %d, %d]", ErrFormat, p.Count, p.Height, p.Width, p.Channels)
	case p.Count > MaxProbes || len(p.Pix) > MaxProbeBytes:
		return fmt.Errorf("%w: %d probe images take %d bytes; the limits are %d images and %d bytes", ErrFormat, p.Count, len(p.Pix), MaxProbes, MaxProbeBytes)
	case len(p.Pix) != p.Count*p.Height*p.Width*p.Channels:
		return fmt.Errorf("%w: %d bytes do not fit probe images [%d, %d, %d, %d]", ErrFormat, len(p.Pix), p.Count, p.Height, p.Width, p.Channels)
	}
	return nil
}

// PutProbes stores probe images and returns the digest by which a basis names them. It
// is called before the basis is put.
func (s *Store) PutProbes(p *Probes) (digest string, err error) {
	if err := p.check(); err != nil {
		return "", err
	}
	var file bytes.Buffer
	tensors := map[string]tensorfile.Tensor{probesTensor: {DType: "U8", Shape: []int{p.Count, p.Height, p.Width, p.Channels}, Data: p.Pix}}
	if err := tensorfile.Encode(&file, tensors, map[string]string{"format": probesFormat, "version": version}); err != nil {
		return "", fmt.Errorf("probes: %w", err)
	}
	end, err := s.begin()
	if err != nil {
		return "", err
	}
	defer end()
	if digest, err = s.putBlob(file.Bytes()); err != nil {
		return "", fmt.Errorf("probes: %w", err)
	}
	return digest, nil
}

// ReadProbes reads probe images after checking that their bytes have the digest.
func (s *Store) ReadProbes(digest string) (*Probes, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("%w: %q is not a digest of probe images", ErrFormat, digest)
	}
	raw, err := s.readBlob(digest, "fit the family again or restore the file")
	if err != nil {
		return nil, fmt.Errorf("probe images %s: %w", short(digest), err)
	}
	p, err := ParseProbes(raw)
	if err != nil {
		return nil, fmt.Errorf("probe images %s: %w", short(digest), err)
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
		return nil, fmt.Errorf("%w: it has no tensor images U8 [n, height, width, channels]", ErrFormat)
	}
	p := &Probes{Count: t.Shape[0], Height: t.Shape[1], Width: t.Shape[2], Channels: t.Shape[3], Pix: t.Data}
	return p, p.check()
}
