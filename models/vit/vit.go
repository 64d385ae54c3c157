// Package vit is the Vision Transformer with a classifier, as Hugging Face's
// ViTForImageClassification has it: same configuration, same tensor names, same
// answers. It declares and runs the model; it holds no weights.
package vit

import (
	"fmt"

	"eigenserve/models/image"
	"eigenserve/models/nn"
)

// Model is one architecture's layers, shaped as its checkpoint. It is immutable
// and serves any number of passes at once.
type Model struct {
	options Options
	pixels  image.Spec
	plan    *nn.Plan

	patches    nn.Patches
	projection nn.Linear
	classToken nn.Parameter // (1, 1, hidden)
	positions  nn.Parameter // (1, tokens, hidden)
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
	intermediate nn.Linear // ends in the activation
	output       nn.Linear
}

// New reads the model from a checkpoint's config.json and
// preprocessor_config.json; the latter may be nil for the defaults. What is
// wrong with the configuration comes as one error that wraps ErrConfig.
func New(config, preprocessor []byte) (*Model, error) {
	o, err := ParseOptions(config)
	if err != nil {
		return nil, err
	}
	pixels, err := image.ParseSpec(preprocessor, o.Channels, o.Image.Height, o.Image.Width)
	if err != nil {
		return nil, fmt.Errorf("vit: read preprocessing: %w", err)
	}
	m := &Model{options: o, pixels: pixels}
	b := nn.NewBuilder()

	m.patches = nn.Patches{
		Channels: o.Channels, Height: o.Image.Height, Width: o.Image.Width,
		PatchHeight: o.Patch.Height, PatchWidth: o.Patch.Width,
		Lead: 1, // the class token's row
	}
	m.projection = b.Linear("vit.embeddings.patch_embeddings.projection", true,
		o.Hidden, o.Channels, o.Patch.Height, o.Patch.Width)
	m.classToken = b.Parameter("vit.embeddings.cls_token", 1, 1, o.Hidden)
	m.positions = b.Parameter("vit.embeddings.position_embeddings", 1, m.patches.Tokens(), o.Hidden)
	for i := range o.Layers {
		m.layers = append(m.layers, newLayer(b, fmt.Sprintf("vit.encoder.layer.%d.", i), o))
	}
	m.norm = b.LayerNorm("vit.layernorm", o.Hidden, o.Eps)
	m.classifier = b.Head("classifier", true, o.Hidden)

	if m.plan, err = b.Plan(); err != nil {
		return nil, fmt.Errorf("vit: %w", err)
	}
	return m, nil
}

func newLayer(b *nn.Builder, prefix string, o Options) layer {
	name := prefix + "attention.attention."
	parts := []string{name + "query", name + "key", name + "value"}
	attention := nn.Attention{Heads: o.Heads, Dim: o.Hidden / o.Heads}
	return layer{
		normBefore:   b.LayerNorm(prefix+"layernorm_before", o.Hidden, o.Eps),
		qkv:          attention.Of(b.Stacked(name+"qkv", parts, o.QKVBias, o.Hidden, o.Hidden)),
		attention:    attention,
		attended:     b.Linear(prefix+"attention.output.dense", true, o.Hidden, o.Hidden),
		normAfter:    b.LayerNorm(prefix+"layernorm_after", o.Hidden, o.Eps),
		intermediate: b.Linear(prefix+"intermediate.dense", true, o.MLP, o.Hidden).Then(o.Activation),
		output:       b.Linear(prefix+"output.dense", true, o.Hidden, o.MLP),
	}
}

// Forward answers the pass's images (images, channels, height, width) with one
// slice of logits each, in the order of the variant's labels. They lie in the
// pass.
func (m *Model) Forward(p *nn.Pass, images []float32) ([][]float32, error) {
	if want := p.Images() * m.patches.ImageLen(); want == 0 || len(images) != want {
		return nil, fmt.Errorf("vit: forward: %w: %d values for %d images of %d",
			ErrImages, len(images), p.Images(), m.patches.ImageLen())
	}
	x := m.projection.ForwardFloat32(p, m.patches.Forward(p, images)) // (images*tokens, hidden)
	m.classToken.Put(p, x)
	m.positions.Add(p, x)
	for i := range m.layers {
		l := &m.layers[i]
		if i < len(m.layers)-1 {
			l.attend(p, x)
		} else {
			x = l.attendFirst(p, x, m.options.Hidden) // (images, hidden): the class token alone is read from here on
		}
		l.transform(p, x)
	}
	return m.classifier.Forward(p, m.norm.ForwardFloat32(p, x)), nil
}

// attend adds the attention's answer to x (rows, hidden).
func (l *layer) attend(p *nn.Pass, x []float32) {
	defer p.Free(p.Mark())
	h := l.normBefore.Forward(p, x) // (rows, hidden)
	h = l.qkv.Forward(p, h)         // (rows, 3*hidden)
	h = l.attention.Forward(p, h)   // (rows, hidden)
	l.attended.ForwardAdd(p, x, h)
}

// attendFirst is attend for each image's first row alone, (images, hidden), which
// it returns.
func (l *layer) attendFirst(p *nn.Pass, x []float32, hidden int) []float32 {
	first := p.First(x, hidden)
	defer p.Free(p.Mark())
	h := l.normBefore.Forward(p, x) // (rows, hidden)
	h = l.qkv.Forward(p, h)         // (rows, 3*hidden)
	h = l.attention.First(p, h)     // (images, hidden)
	l.attended.ForwardAdd(p, first, h)
	return first
}

// transform adds the feed-forward part's answer to x (rows, hidden).
func (l *layer) transform(p *nn.Pass, x []float32) {
	defer p.Free(p.Mark())
	h := l.normAfter.Forward(p, x)   // (rows, hidden)
	h = l.intermediate.Forward(p, h) // (rows, mlp)
	l.output.ForwardAdd(p, x, h)
}

// Plan lists the weights. It is shared: not to be changed.
func (m *Model) Plan() *nn.Plan { return m.plan }

// Labels are the names of the logits of the configuration's checkpoint, in
// their order.
func (m *Model) Labels() []string { return m.options.Labels }

// Pixels says how an image becomes the input of Forward.
func (m *Model) Pixels() image.Spec { return m.pixels }

// Tokens is the number of rows that one image makes.
func (m *Model) Tokens() int { return m.patches.Tokens() }

// Architecture names all of the configuration that an answer depends on, labels
// aside: checkpoints with the same one can share a basis.
func (m *Model) Architecture() string { return m.options.architecture() }
