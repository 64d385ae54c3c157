package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"eigenserve/store/tensorfile"
)

// Variant is one served model: its coefficients over a basis, and its own tensors. They
// are views of the bytes that it was read from.
type Variant struct {
	// Name is the name under which the variant was made. Its name in the catalogue may
	// differ.
	Name   string `json:"name"`
	Family string `json:"family"`
	// Basis is the digest of the basis that the coefficients refer to.
	Basis string `json:"-"`
	// Digest is the SHA-256 of the file in hexadecimal. It is set when the file is read.
	Digest string `json:"-"`

	// Step is the quantisation step Δ, in the units of the coefficients.
	Step   float64  `json:"step"`
	Labels []string `json:"labels"`
	// Preprocessor is preprocessor_config.json, if it differs from the family's.
	Preprocessor json.RawMessage `json:"preprocessor,omitempty"`
	// ProblemType is problem_type of config.json, "" for none, if it says something else
	// than the family's; nil otherwise, and in a file from before it was kept.
	ProblemType *string    `json:"problem_type,omitempty"`
	Fidelity    Fidelity   `json:"fidelity"`
	Provenance  Provenance `json:"provenance"`

	// Gains holds one byte for each layer and vector: see Gain.
	Gains []byte `json:"-"`
	// Coefficients is the coded stream: see package rans.
	Coefficients []byte `json:"-"`
	// Private holds the private tensors by their names in the checkpoint.
	Private map[string]tensorfile.Tensor `json:"-"`
	// Head is the coded head (classifier), its gain byte first: see subspace.Head. If it
	// is empty, the head is among the private tensors.
	Head []byte `json:"-"`
	// HeadStep is the quantisation step of the head, in logits.
	HeadStep float64 `json:"head_step,omitempty"`
	// Exact holds the shared tensors that no step could reproduce well enough, as they
	// came, by their names in the checkpoint.
	Exact map[string]tensorfile.Tensor `json:"-"`
}

// Gain returns the factor that a gain byte stands for: 2^((g−128)/8), so eight bytes
// double it and all bytes cover 2⁻¹⁶ … 2¹⁶. The entropy coder's scales of a tensor are
// those that the basis predicts times this factor. Byte 0 stands for 0: all coefficients
// of the tensor are zero.
func Gain(g byte) float32 { return gains[g] }

var gains = func() (t [256]float32) {
	// The eighth roots of two are constants, so that they are the same on every machine.
	roots := [8]float32{1, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081}
	for g := 1; g < 256; g++ {
		t[g] = float32(math.Ldexp(float64(roots[g&7]), (g>>3)-16))
	}
	return t
}()

// GainByte returns the byte whose Gain has the ratio closest to g.
func GainByte(g float64) byte {
	if !(g > 0) {
		return 0
	}
	return byte(max(1, min(255, math.Round(128+8*math.Log2(g)))))
}

const (
	exactPrefix = "exact/"
	headTensor  = "head"
)

// Encode writes the variant's file. Equal variants are written as equal bytes.
func (v *Variant) Encode(w io.Writer) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(raw) > maxHeader {
		return fmt.Errorf("%w: labels and metadata take more than %d bytes", ErrFormat, maxHeader)
	}
	packed, err := pack(raw)
	if err != nil {
		return err
	}
	var set tensorSet
	set.add(packedTensor, packed)
	set.add("coefficients", tensorfile.Tensor{DType: "U8", Shape: []int{len(v.Coefficients)}, Data: v.Coefficients})
	set.add("gains", tensorfile.Tensor{DType: "U8", Shape: []int{len(v.Gains)}, Data: v.Gains})
	if len(v.Head) > 0 {
		set.add(headTensor, tensorfile.Tensor{DType: "U8", Shape: []int{len(v.Head)}, Data: v.Head})
	}
	for name, t := range v.Private {
		if strings.HasPrefix(name, exactPrefix) {
			return fmt.Errorf("%w: private tensor %q has a name for exact ones", ErrFormat, name)
		}
		set.add(name, t)
	}
	for name, t := range v.Exact {
		set.add(exactPrefix+name, t)
	}
	return encode(w, VariantFormat, v.Basis, nil, set)
}

// ParseVariant reads a variant from the bytes of its file.
func ParseVariant(raw []byte) (*Variant, error) {
	return parseVariant(raw, Digest(raw))
}

func parseVariant(raw []byte, digest string) (*Variant, error) {
	f, err := tensorfile.Parse(raw)
	if err != nil {
		return nil, err
	}
	v, err := DecodeVariant(f)
	if err != nil {
		return nil, err
	}
	v.Digest = digest
	return v, nil
}

// Bytes returns the variant's file.
func (v *Variant) Bytes() ([]byte, error) {
	var b bytes.Buffer
	err := v.Encode(&b)
	return b.Bytes(), err
}

// DecodeVariant reads a variant from a file in memory and checks all that can be checked
// without its basis. The variant shares the file's bytes.
func DecodeVariant(f *tensorfile.File) (*Variant, error) {
	v := &Variant{Private: map[string]tensorfile.Tensor{}, Exact: map[string]tensorfile.Tensor{}}
	if err := header(f, VariantFormat, v); err != nil {
		return nil, err
	}
	v.Basis = f.Metadata["basis"]
	if !isDigest(v.Basis) {
		return nil, fmt.Errorf("%w: it does not name its basis by digest", ErrFormat)
	}
	if err := v.checkHeader(); err != nil {
		return nil, err
	}
	r := reader{file: f, read: map[string]bool{}}
	if f.Metadata["header"] == "" {
		r.tensor(packedTensor, []int{-1}, "U8")
	}
	v.Coefficients = r.tensor("coefficients", []int{-1}, "U8").Data
	v.Gains = r.tensor("gains", []int{-1}, "U8").Data
	if v.HeadStep != 0 {
		v.Head = r.tensor(headTensor, []int{-1}, "U8").Data
	}
	for _, name := range f.Names() {
		if r.read[name] {
			continue
		}
		t, _ := f.Tensor(name)
		if shared, ok := strings.CutPrefix(name, exactPrefix); ok {
			v.Exact[shared] = t
		} else {
			v.Private[name] = t
		}
		r.finite(name, t)
	}
	if r.err != nil {
		return nil, r.err
	}
	return v, nil
}

func (v *Variant) checkHeader() error {
	// Dequantised coefficients are float32, so the step must be a float32 too.
	if step := float32(v.Step); !(step > 0) || math.IsInf(float64(step), 0) {
		return fmt.Errorf("%w: quantisation step %g", ErrFormat, v.Step)
	}
	if step := float32(v.HeadStep); !(step >= 0) || math.IsInf(float64(step), 0) || step == 0 && v.HeadStep != 0 {
		return fmt.Errorf("%w: quantisation step %g of the head", ErrFormat, v.HeadStep)
	}
	if len(v.Labels) == 0 {
		return fmt.Errorf("%w: it has no labels", ErrFormat)
	}
	if err := v.Fidelity.check(); err != nil {
		return err
	}
	if err := CheckName(v.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := CheckName(v.Family); err != nil {
		return fmt.Errorf("%w: family: %w", ErrFormat, err)
	}
	return nil
}

// CheckBasis returns an error unless the variant belongs to this basis and fits its layout.
// The coefficients are checked when they are decoded.
func (v *Variant) CheckBasis(b *Basis) error {
	if v.Basis != b.Digest {
		return fmt.Errorf("%w: the variant needs basis %s, but family %q has %s; project the checkpoint again with `eigenserve add`",
			ErrBasis, short(v.Basis), b.Family, short(b.Digest))
	}
	l := b.Layout()
	if len(v.Gains) != l.Tensors() {
		return fmt.Errorf("%w: %d gains for %d shared tensors", ErrFormat, len(v.Gains), l.Tensors())
	}
	for name := range v.Private {
		if l.Shared(name) {
			return fmt.Errorf("%w: private tensor %q is a shared tensor of the family", ErrFormat, name)
		}
	}
	return v.checkExact(l)
}

func (v *Variant) checkExact(l Layout) error {
	shapes := maps.Collect(l.Stored())
	for name, t := range v.Exact {
		switch want, ok := shapes[name]; {
		case !ok:
			return fmt.Errorf("%w: exact tensor %q is not a shared tensor of the family", ErrFormat, name)
		case !slices.Equal(t.Shape, want):
			return fmt.Errorf("%w: exact tensor %q has shape %v, not %v", ErrFormat, name, t.Shape, want)
		}
	}
	return nil
}
