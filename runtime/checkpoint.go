package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
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
	defer s.Evict(tensor)
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
	return eng.Add(ctx, family, name, c, eng.options.Gate)
}

// Add projects a checkpoint onto a family's basis, stores it in the fewest bytes
// that pass a gate and serves the variant. One that can't pass is refused with
// Refused and its report, and nothing changes.
func (eng *Engine) Add(ctx context.Context, family, name string, c *checkpoint.Checkpoint, g Gate) (VariantInfo, bool, error) {
	return eng.add(ctx, family, name, c, g, parallel)
}

func (eng *Engine) add(ctx context.Context, family, name string, c *checkpoint.Checkpoint, g Gate, workers int) (VariantInfo, bool, error) {
	file, err := eng.projected(ctx, family, name, c, g, workers)
	if err != nil {
		return VariantInfo{}, false, err
	}
	// Served as any upload is: from the file's bytes, after the same checks.
	return eng.PutVariant(ctx, name, file)
}

// projected gives the file of the variant that a checkpoint is in a family.
func (eng *Engine) projected(ctx context.Context, family, name string, c *checkpoint.Checkpoint, g Gate, workers int) ([]byte, error) {
	if err := eng.enter(); err != nil {
		return nil, err
	}
	defer eng.leave()
	f, _, err := eng.current(family)
	if err != nil {
		return nil, err
	}
	v, err := f.variantOf(ctx, c, name, g, workers)
	if err != nil {
		return nil, err
	}
	return eng.fileOf(v, name)
}

// fileOf gives a new variant's file: that of the current version where all but the
// time is the same, so that who adds a checkpoint again makes no version of it.
func (eng *Engine) fileOf(v *store.Variant, name string) ([]byte, error) {
	if e, err := eng.store.Entry(name); err == nil {
		if was, err := eng.store.ReadVariant(e.Digest); err == nil {
			again := *v
			again.Provenance.Added = was.Provenance.Added
			again.Fidelity.Bytes.Metadata = was.Fidelity.Bytes.Metadata // a time is compressed, to more bytes or fewer
			if file, err := again.Bytes(); err == nil && store.Digest(file) == e.Digest {
				return file, nil
			}
		}
	}
	return v.Bytes()
}

// variantOf makes a variant of a checkpoint that passes a gate.
func (f *family) variantOf(ctx context.Context, c *checkpoint.Checkpoint, name string, g Gate, workers int) (*store.Variant, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	s, m, err := f.admit(c)
	if err != nil {
		return nil, err
	}
	if !g.Exact { // whatever is kept bit for bit may be of any lineage
		if err := f.related(s); err != nil {
			return nil, err
		}
	}
	v, err := f.pass(ctx, s, m, g, workers)
	if err != nil {
		return nil, err
	}
	v.Name, v.Labels = name, m.Labels()
	v.Provenance = store.Provenance{Name: s.Name(), Checkpoint: s.digest, Added: time.Now().UTC().Truncate(time.Second), Fitted: fitted(f.basis, s.digest)}
	if !sameJSON(s.Preprocessor, f.basis.Preprocessor) {
		v.Preprocessor = s.Preprocessor
	}
	return v, count(v, s.Bytes())
}

// count sets the bytes of a variant's parts. The file's own are counted by
// writing it twice: the second time with the count.
func count(v *store.Variant, source int64) error {
	parts := &v.Fidelity.Bytes
	parts.Source, parts.Private = source, int64(len(v.Head))
	for _, m := range []map[string]tensorfile.Tensor{v.Private, v.Exact} {
		for _, t := range m {
			parts.Private += int64(len(t.Data))
		}
	}
	file, err := v.Bytes()
	if err != nil {
		return err
	}
	parts.Metadata = int64(len(file)) - parts.Coefficients - parts.Private
	return nil
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
