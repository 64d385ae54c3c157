package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// source is a checkpoint as the subspace reads it.
type source struct {
	*checkpoint.Checkpoint
	digest string
}

func (s source) Name() string   { return s.Checkpoint.Name }
func (s source) Digest() string { return s.digest }

// Read fills dst with a tensor, whose shape was checked before. The pages that it
// came from are let go: a source is read tensor by tensor, from many files in
// turn.
func (s source) Read(tensor string, dst []float32) error {
	t, ok := s.Tensor(tensor)
	if !ok {
		return fmt.Errorf("tensor %q is missing", tensor)
	}
	defer s.Release(tensor)
	return t.Float32(dst)
}

// openSource checks a checkpoint against an architecture and makes it readable.
func openSource(c *checkpoint.Checkpoint, p *nn.Plan) (source, error) {
	s, err := checkedSource(c, p)
	if err != nil {
		return source{}, err
	}
	if s.digest, err = c.Inspect(); err != nil {
		return source{}, fmt.Errorf("checkpoint %q: %w", c.Name, err)
	}
	return s, nil
}

// checkedSource is openSource without what reads all of the checkpoint: it has
// no digest.
func checkedSource(c *checkpoint.Checkpoint, p *nn.Plan) (source, error) {
	var want []checkpoint.Spec
	for _, s := range p.Specs() {
		want = append(want, checkpoint.Spec(s))
	}
	if err := c.Check(want); err != nil {
		return source{}, fmt.Errorf("checkpoint %q: %w", c.Name, err)
	}
	return source{Checkpoint: c}, nil
}

// openModel reads a checkpoint's architecture.
func openModel(c *checkpoint.Checkpoint) (models.Model, error) {
	m, err := models.Open(c.Config, c.Preprocessor)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: %w", c.Name, err)
	}
	return m, nil
}

// AddCheckpoint projects an uploaded checkpoint onto a family's basis and serves
// the variant that comes out.
func (eng *Engine) AddCheckpoint(ctx context.Context, family, name string, u Upload) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	if err := store.CheckName(name); err != nil {
		return VariantInfo{}, false, storeError(err)
	}
	if _, _, err := eng.current(family); err != nil {
		return VariantInfo{}, false, err
	}
	file, err := tensorfile.Parse(u.Model)
	if err != nil {
		return VariantInfo{}, false, &Error{Code: Invalid, Text: "model: " + err.Error(), Err: err}
	}
	c, err := checkpoint.FromFiles(name, u.Config, u.Preprocessor, file)
	if err != nil {
		return VariantInfo{}, false, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	defer c.Close()
	return eng.Add(ctx, family, name, c, eng.options.Step)
}

// Add projects a checkpoint onto a family's basis, quantises it with a step (in
// units of the family's root-mean-square coefficient; 0 for DefaultStep, or
// DefaultStepNoMetric) and serves the variant.
func (eng *Engine) Add(ctx context.Context, family, name string, c *checkpoint.Checkpoint, step float64) (VariantInfo, bool, error) {
	if err := eng.enter(); err != nil {
		return VariantInfo{}, false, err
	}
	defer eng.leave()
	f, _, err := eng.current(family)
	if err != nil {
		return VariantInfo{}, false, err
	}
	if step == 0 {
		step = defaultStep(f.basis)
	}
	v, err := f.variantOf(c, name, step)
	if err != nil {
		return VariantInfo{}, false, err
	}
	file, err := v.Bytes()
	if err != nil {
		return VariantInfo{}, false, err
	}
	// Served as any upload is: from the file's bytes, after the same checks.
	return eng.PutVariant(ctx, name, file)
}

func defaultStep(b *store.Basis) float64 {
	if b.Metric == subspace.MetricNone {
		return DefaultStepNoMetric
	}
	return DefaultStep
}

// variantOf makes a variant of a checkpoint.
func (f *family) variantOf(c *checkpoint.Checkpoint, name string, step float64) (*store.Variant, error) {
	s, m, err := f.admit(c)
	if err != nil {
		return nil, err
	}
	if err := f.related(s); err != nil {
		return nil, err
	}
	p, err := f.project()
	if err != nil {
		return nil, err
	}
	defer p.done()
	coefficients, err := p.Project(s)
	if err != nil {
		return nil, err
	}
	return f.encode(p.Projector, s, m, coefficients, name, step)
}

// admit tells whether a checkpoint is of the family's architecture.
func (f *family) admit(c *checkpoint.Checkpoint) (source, models.Model, error) {
	m, err := openModel(c)
	if err != nil {
		return source{}, nil, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	if has, want := m.Architecture(), f.model.Architecture(); has != want {
		return source{}, nil, Errorf(Conflict, "checkpoint %q is another architecture than family %q: %s, not %s", c.Name, f.name, has, want)
	}
	s, err := openSource(c, f.plan)
	if err != nil {
		return source{}, nil, &Error{Code: Invalid, Text: err.Error(), Err: err}
	}
	return s, m, nil
}

// encode quantises projected coefficients into a variant, with all that is the
// checkpoint's own. Its file's own bytes are counted by writing it twice: the
// second time with the count.
func (f *family) encode(p *subspace.Projector, s source, m models.Model, c *subspace.Coefficients, name string, step float64) (*store.Variant, error) {
	v := &store.Variant{Name: name, Labels: m.Labels(), Private: map[string]tensorfile.Tensor{},
		Provenance: store.Provenance{Name: s.Name(), Checkpoint: s.digest, Added: time.Now().UTC().Truncate(time.Second), Fitted: fitted(f.basis, s.digest)}}
	if err := p.Quantise(v, c, step); err != nil {
		code := Internal
		if errors.Is(err, subspace.ErrStep) {
			code = Invalid
		}
		return nil, &Error{Code: code, Text: err.Error(), Err: err}
	}
	for _, t := range f.plan.Private {
		tensor, ok := s.Tensor(t.Name)
		if !ok {
			return nil, Errorf(Invalid, "checkpoint %q: tensor %q is missing", s.Name(), t.Name)
		}
		v.Private[t.Name] = tensor
		v.Fidelity.Bytes.Private += int64(len(tensor.Data))
	}
	if !sameJSON(s.Preprocessor, f.basis.Preprocessor) {
		v.Preprocessor = s.Preprocessor
	}
	v.Fidelity.Bytes.Source = s.Bytes()
	file, err := v.Bytes()
	if err != nil {
		return nil, err
	}
	parts := &v.Fidelity.Bytes
	parts.Metadata = int64(len(file)) - parts.Coefficients - parts.Private
	return v, nil
}

func fitted(b *store.Basis, digest string) bool {
	for _, s := range b.Sources {
		if s.Digest == digest {
			return true
		}
	}
	return false
}

// sameJSON tells whether two JSON texts, either of which may be absent, say the
// same.
func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}

// familyConfig is a checkpoint's config.json without its labels, which are each
// variant's own.
func familyConfig(config []byte) ([]byte, error) {
	var c map[string]json.RawMessage
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	for key := range c {
		if key == "id2label" || key == "label2id" || key == "num_labels" || strings.HasPrefix(key, "_") {
			delete(c, key)
		}
	}
	return json.Marshal(c)
}
