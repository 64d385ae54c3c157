// Package vit is the Vision Transformer with a classifier, as in Hugging Face's
// ViTForImageClassification: the same configuration, tensor names and answers. It
// declares and runs the model; it holds no weights.
package vit

import (
	"fmt"

	"eigenserve/models/image"
	"eigenserve/models/input"
	"eigenserve/models/nn"
)

// Model is the layers of one configuration, in the order of its checkpoint. It is
// immutable and serves any number of passes at once.
type Model struct {
	options Options
	image   image.Spec
	plan    *nn.Plan

	patches    nn.Patches
	projection nn.Linear
	classToken nn.Parameter // (1, 1, hidden)
	positions  nn.Parameter // (1, rows, hidden)
	layers     []layer
	norm       nn.LayerNorm
	classifier nn.Head
}

// layer is one block of the encoder.
type layer struct {
	normBefore   nn.LayerNorm
	qkv          nn.Linear // query, key and value stacked
	attention    nn.Attention
	attended     nn.Linear // attention.output.dense
	normAfter    nn.LayerNorm
	intermediate nn.Linear // with the activation
	output       nn.Linear
}

// New reads the model from a checkpoint's config.json and preprocessor_config.json,
// which may be nil for the defaults. Errors in config.json wrap ErrConfig.
func New(config, preprocessor []byte) (*Model, error) {
	o, err := ParseOptions(config)
	if err != nil {
		return nil, err
	}
	spec, err := image.ParseSpec(preprocessor, o.Channels, o.Image.Height, o.Image.Width)
	if err != nil {
		return nil, fmt.Errorf("read preprocessor_config.json: %w", err)
	}
	m := &Model{options: o, image: spec}
	b := nn.NewBuilder()

	m.patches = nn.Patches{
		Channels: o.Channels, Height: o.Image.Height, Width: o.Image.Width,
		PatchHeight: o.Patch.Height, PatchWidth: o.Patch.Width,
		Lead: 1, // the class token
	}
	m.projection = b.Linear("vit.embeddings.patch_embeddings.projection", true,
		o.Hidden, o.Channels, o.Patch.Height, o.Patch.Width)
	m.classToken = b.Parameter("vit.embeddings.cls_token", 1, 1, o.Hidden)
	m.positions = b.Parameter("vit.embeddings.position_embeddings", 1, m.patches.Rows(), o.Hidden)
	for i := range o.Layers {
		m.layers = append(m.layers, newLayer(b, fmt.Sprintf("vit.encoder.layer.%d.", i), o))
	}
	m.norm = b.LayerNorm("vit.layernorm", o.Hidden, o.Eps)
	m.classifier = b.Head("classifier", true, o.Hidden)

	if m.plan, err = b.Plan(); err != nil {
		return nil, err
	}
	return m, nil
}

func newLayer(b *nn.Builder, prefix string, o Options) layer {
	name := prefix + "attention.attention."
	parts := []string{name + "query", name + "key", name + "value"}
	attention := nn.Attention{Heads: o.Heads, Dim: o.Hidden / o.Heads}
	return layer{
		normBefore:   b.LayerNorm(prefix+"layernorm_before", o.Hidden, o.Eps),
		qkv:          attention.QKV(b.Stacked(name+"qkv", parts, o.QKVBias, o.Hidden, o.Hidden)),
		attention:    attention,
		attended:     b.Linear(prefix+"attention.output.dense", true, o.Hidden, o.Hidden),
		normAfter:    b.LayerNorm(prefix+"layernorm_after", o.Hidden, o.Eps),
		intermediate: b.Linear(prefix+"intermediate.dense", true, o.MLP, o.Hidden).WithActivation(o.Activation),
		output:       b.Linear(prefix+"output.dense", true, o.Hidden, o.MLP),
	}
}

// Forward returns the logits of each image, in the order of its variant's labels. They
// lie in the pass.
func (m *Model) Forward(p *nn.Pass, images []nn.Input) ([]nn.Output, error) {
	if err := m.check(p, images); err != nil {
		return nil, err
	}
	x := m.projection.ForwardFloat32(p, m.patches.Forward(p, images)) // (rows, hidden)
	m.classToken.Put(p, x)
	m.positions.Add(p, x)
	for i := range m.layers {
		l := &m.layers[i]
		if i < len(m.layers)-1 {
			l.attend(p, x)
		} else {
			// From here on only the class token is read: (images, hidden).
			x = l.attendFirst(p, x, m.options.Hidden)
		}
		l.transform(p, x)
	}
	logits := m.classifier.Forward(p, m.norm.ForwardFloat32(p, x))
	outputs := p.Outputs()
	for i := range outputs {
		outputs[i].Logits = logits[i]
	}
	return outputs, nil
}

// check reports an error unless the pass has a span of a whole image for each image.
func (m *Model) check(p *nn.Pass, images []nn.Input) error {
	if len(images) == 0 || len(images) != p.Inputs() {
		return fmt.Errorf("%w: %d images for a pass of %d", ErrInput, len(images), p.Inputs())
	}
	for i, in := range images {
		if len(in.Pixels) != m.image.Len() {
			return fmt.Errorf("%w: image %d has %d values, want %d", ErrInput, i, len(in.Pixels), m.image.Len())
		}
		if s := p.Span(i); s != (nn.Span{Rows: m.patches.Rows()}) {
			return fmt.Errorf("%w: %d rows from position %d for image %d, want all %d",
				ErrInput, s.Rows, s.Start, i, m.patches.Rows())
		}
	}
	return nil
}

// attend adds the output of the attention to x (rows, hidden).
func (l *layer) attend(p *nn.Pass, x []float32) {
	defer p.Free(p.Mark())
	h := l.normBefore.Forward(p, x) // (rows, hidden)
	h = l.qkv.Forward(p, h)         // (rows, 3*hidden)
	h = l.attention.Forward(p, h)   // (rows, hidden)
	l.attended.ForwardAdd(p, x, h)
}

// attendFirst is attend for the first row of each image alone. It returns new rows
// (images, hidden).
func (l *layer) attendFirst(p *nn.Pass, x []float32, hidden int) []float32 {
	first := p.First(x, hidden)
	defer p.Free(p.Mark())
	h := l.normBefore.Forward(p, x) // (rows, hidden)
	h = l.qkv.Forward(p, h)         // (rows, 3*hidden)
	h = l.attention.First(p, h)     // (images, hidden)
	l.attended.ForwardAdd(p, first, h)
	return first
}

// transform adds the output of the feed-forward part to x, (rows, hidden) or (images,
// hidden).
func (l *layer) transform(p *nn.Pass, x []float32) {
	defer p.Free(p.Mark())
	h := l.normAfter.Forward(p, x)   // (rows, hidden)
	h = l.intermediate.Forward(p, h) // (rows, mlp)
	l.output.ForwardAdd(p, x, h)
}

// Plan lists the weights. It must not be changed.
func (m *Model) Plan() *nn.Plan { return m.plan }

// Architecture names everything in the configuration that answers depend on besides
// the labels and what they stand for. Checkpoints with the same one can share a basis.
func (m *Model) Architecture() string { return m.options.architecture() }

// Labels returns the names of the checkpoint's logits, in their order.
func (m *Model) Labels() []string { return m.options.Labels }

// CheckLabels returns an error unless a head with so many outputs has a label for each.
func (m *Model) CheckLabels(outputs int) error { return m.options.checkLabels(outputs) }

// ProblemType returns problem_type of config.json, "" if it is not set.
func (m *Model) ProblemType() string { return m.options.ProblemType }

// Input describes how an image file becomes the pixels of an input.
func (m *Model) Input() input.Spec { return input.Images(m.image) }

// Rows returns the number of rows of an image: its patches and the class token.
func (m *Model) Rows(nn.Input) int { return m.patches.Rows() }
