package store

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"eigenserve/store/tensorfile"
)

// Basis is what the variants of a family share. Its tensors are views of the file it was
// read from and are valid until Close.
type Basis struct {
	Family string `json:"family"`
	// Digest is the SHA-256 of the file in hexadecimal. It is set when the file is read.
	Digest string `json:"-"`

	// Config and Preprocessor are config.json and preprocessor_config.json of the
	// family. The labels in Config are those of the first member and mean nothing.
	Config       json.RawMessage `json:"config"`
	Preprocessor json.RawMessage `json:"preprocessor,omitempty"`

	// RMS is the root-mean-square coefficient of the fitted deltas, the mean taken over
	// the checkpoints' linear layers. It is the unit of a step.
	RMS float64 `json:"rms"`
	// Rank limits the directions on each side of a layer; 0 means there is no limit.
	Rank   int    `json:"rank"`
	Metric string `json:"metric"`
	// Probes is the digest of the images that the metric was measured on and that
	// variants are compared on, or BuiltInProbes, or "" in an older basis, which kept
	// neither.
	Probes string `json:"probes,omitempty"`
	// Divergence is the mean KL divergence, on such images, of the family's mean with
	// each member's own head from that member; 0 if it was not measured.
	Divergence float64 `json:"divergence,omitempty"`
	// DivergenceTask is the task of the members that Divergence was measured on; see
	// Measured.
	DivergenceTask string    `json:"divergence_task,omitempty"`
	Sources        []Source  `json:"sources"`
	Created        time.Time `json:"created"`
	// Lineage is nil in an older basis, for which it was not measured.
	Lineage *Lineage `json:"lineage,omitempty"`

	// Heads say how the variants' heads (classifiers) are coded. A variant whose head is
	// not among them keeps it as a private tensor.
	Heads []BasisHead `json:"heads,omitempty"`

	Layers  []BasisLayer  `json:"-"`
	Vectors []BasisVector `json:"-"`

	file *tensorfile.File
}

// Source names one checkpoint that a basis was learned from.
type Source struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// BasisLayer is the basis of one layer: Ŵ ≈ M + L(Δq)R, with p left and q right
// directions.
type BasisLayer struct {
	Layer
	Mean tensorfile.Tensor // [m,n] in 16 bits
	Bias []float32         // [m]; nil without a bias
	Left tensorfile.Tensor // [m,p] BF16
	// Right is [q,n+1] BF16; its last column belongs to the bias.
	Right tensorfile.Tensor
	// LeftScale [p] and RightScale [q] predict the coefficients: the mean magnitude of
	// a fitted coefficient (i,j) is LeftScale[i]·RightScale[j], in absolute units.
	LeftScale, RightScale []float32
	Spectrum              Spectrum
}

// Spectrum says how the fitted deltas of a layer spread over its directions.
type Spectrum struct {
	// Left and Right are the leading eigenvalues λ and μ of Σ ZZᵀ and Σ ZᵀZ.
	Left  []float64 `json:"left"`
	Right []float64 `json:"right"`
	// Energy is Σ ‖Z‖² over all fitted checkpoints.
	Energy float64 `json:"energy"`
}

// BasisVector is the basis of one vector: v ≈ mean + scale ⊙ (Δq).
type BasisVector struct {
	Vector
	Mean, Scale []float32
}

// BasisHead says how a head is coded: Ŵ = [W b] ≈ (Δq)R, with one row of q per label.
type BasisHead struct {
	Name string `json:"name"` // of the tensors <name>.weight and <name>.bias
	Bias bool   `json:"bias"`
	// Width is the number of inputs, plus one for the bias.
	Width int `json:"width"`
	// Right is R [width,width] BF16.
	Right tensorfile.Tensor `json:"-"`
	// Scale [width] is the expected mean magnitude of the coefficients of each right
	// direction, in logits.
	Scale []float32 `json:"-"`
}

// Directions returns p and q.
func (l *BasisLayer) Directions() (left, right int) { return len(l.LeftScale), len(l.RightScale) }

// Layout returns the names and shapes of the shared tensors.
func (b *Basis) Layout() Layout {
	var l Layout
	for i := range b.Layers {
		l.Layers = append(l.Layers, b.Layers[i].Layer)
	}
	for i := range b.Vectors {
		l.Vectors = append(l.Vectors, b.Vectors[i].Vector)
	}
	return l
}

// MaxDirections returns the largest number of directions on a side of any layer.
func (b *Basis) MaxDirections() int {
	n := 0
	for i := range b.Layers {
		p, q := b.Layers[i].Directions()
		n = max(n, p, q)
	}
	return n
}

// File returns the file that the basis was read from and whose bytes its tensors are
// views of, or nil if it was not read from a file.
func (b *Basis) File() *tensorfile.File { return b.file }

// Close unmaps the file that the basis was read from, if any.
func (b *Basis) Close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// The formats of the two kinds of file, as their metadata names them.
const (
	BasisFormat   = "eigenserve.basis"
	VariantFormat = "eigenserve.variant"
	// version is that of the files that are written. Version 1, which did not code
	// heads, is read too.
	version = "2"
)

// maxHeadWidth keeps the size of a head's directions from overflowing.
const maxHeadWidth = 1 << 16

type basisHeader struct {
	*Basis
	Layout  Layout     `json:"layout"`
	Spectra []Spectrum `json:"spectra"`
}

// Encode writes the basis file. Equal bases are written as equal bytes.
func (b *Basis) Encode(w io.Writer) error {
	h := basisHeader{Basis: b, Layout: b.Layout()}
	var set tensorSet
	for i := range b.Layers {
		l := &b.Layers[i]
		h.Spectra = append(h.Spectra, l.Spectrum.rounded())
		set.add(l.Name+".mean", l.Mean)
		if l.Layer.Bias {
			set.add(l.Name+".bias", floats(l.Bias))
		}
		set.add(l.Name+".left", l.Left)
		set.add(l.Name+".right", l.Right)
		set.add(l.Name+".scale.left", floats(l.LeftScale))
		set.add(l.Name+".scale.right", floats(l.RightScale))
	}
	for _, v := range b.Vectors {
		set.add(v.Name+".mean", tensorfile.FromFloat32("F32", v.Shape, v.Mean))
		set.add(v.Name+".scale", tensorfile.FromFloat32("F32", v.Shape, v.Scale))
	}
	for i := range b.Heads {
		head := &b.Heads[i]
		set.add(head.Name+".right", head.Right)
		set.add(head.Name+".scale.right", floats(head.Scale))
	}
	return encode(w, BasisFormat, "", h, set)
}

// rounded returns the spectrum with four digits of each eigenvalue, enough to look at.
func (s Spectrum) rounded() Spectrum {
	four := func(v []float64) []float64 {
		out := make([]float64, len(v))
		for i, x := range v {
			out[i], _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
		}
		return out
	}
	return Spectrum{Left: four(s.Left), Right: four(s.Right), Energy: s.Energy}
}

func floats(v []float32) tensorfile.Tensor {
	return tensorfile.FromFloat32("F32", []int{len(v)}, v)
}

// DecodeBasis reads a basis from an open file and checks everything but the meaning of
// its config. The basis then owns the file. After an error the caller still has to close
// it.
func DecodeBasis(f *tensorfile.File) (*Basis, error) {
	b := &Basis{file: f}
	h := basisHeader{Basis: b}
	if err := header(f, BasisFormat, &h); err != nil {
		return nil, err
	}
	if err := CheckName(b.Family); err != nil {
		return nil, fmt.Errorf("%w: family: %w", ErrFormat, err)
	}
	if err := h.Layout.check(); err != nil {
		return nil, err
	}
	if !(b.RMS >= 0) || math.IsInf(b.RMS, 0) {
		return nil, fmt.Errorf("%w: root-mean-square coefficient %g", ErrFormat, b.RMS)
	}
	if !(b.Divergence >= 0) || math.IsInf(b.Divergence, 0) {
		return nil, fmt.Errorf("%w: divergence %g", ErrFormat, b.Divergence)
	}
	if b.Probes != "" && b.Probes != BuiltInProbes && !isDigest(b.Probes) {
		return nil, fmt.Errorf("%w: probes %q", ErrFormat, b.Probes)
	}
	if len(h.Spectra) != len(h.Layout.Layers) {
		return nil, fmt.Errorf("%w: %d spectra for %d layers", ErrFormat, len(h.Spectra), len(h.Layout.Layers))
	}
	r := reader{file: f, read: map[string]bool{}}
	for i, l := range h.Layout.Layers {
		b.Layers = append(b.Layers, r.layer(l, h.Spectra[i]))
	}
	for _, v := range h.Layout.Vectors {
		b.Vectors = append(b.Vectors, BasisVector{Vector: v,
			Mean: r.floats(v.Name+".mean", v.Shape), Scale: r.floats(v.Name+".scale", v.Shape)})
	}
	for i := range b.Heads {
		h := &b.Heads[i]
		if h.Name == "" || h.Width < 1 || h.Width > maxHeadWidth {
			return nil, fmt.Errorf("%w: head %q of width %d", ErrFormat, h.Name, h.Width)
		}
		h.Right, h.Scale = r.halves(h.Name+".right", []int{h.Width, h.Width}, "BF16"), r.scales(h.Name+".scale.right", h.Width)
	}
	r.checkAllRead()
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}
