package family

import (
	"fmt"

	"eigenserve/models"
	"eigenserve/models/nn"
	"eigenserve/models/output"
	"eigenserve/runtime/fault"
	"eigenserve/store/checkpoint"
)

// Source is a checkpoint whose tensors have been checked against an architecture. It
// implements subspace.Source.
type Source struct {
	*checkpoint.Checkpoint
	digest string
}

// Name returns the checkpoint's name.
func (s Source) Name() string { return s.Checkpoint.Name }

// Digest returns the digest of the checkpoint's tensors.
func (s Source) Digest() string { return s.digest }

// Read fills dst with a tensor, whose shape was checked before. It then releases the
// memory pages of the tensor, since callers read one tensor of many files in turn.
func (s Source) Read(tensor string, dst []float32) error {
	t, ok := s.Tensor(tensor)
	if !ok {
		return fmt.Errorf("tensor %q is missing", tensor)
	}
	defer s.Evict(tensor)
	return t.Float32(dst)
}

// ReadPrivate returns the values and the shape of a private tensor.
func (s Source) ReadPrivate(name string) ([]float32, []int, error) {
	t, ok := s.Tensor(name)
	if !ok {
		return nil, nil, fmt.Errorf("tensor %q is missing", name)
	}
	v := make([]float32, t.Len())
	return v, t.Shape, t.Float32(v)
}

// Task returns what the given number of the checkpoint's logits stand for.
func (s Source) Task(labels int) (output.Task, error) {
	m, err := OpenModel(s.Checkpoint)
	if err != nil {
		return "", err
	}
	return output.TaskOf(m.ProblemType(), labels), nil
}

// OpenSource checks a checkpoint against the model that OpenModel returned for it, and
// computes its digest.
func OpenSource(c *checkpoint.Checkpoint, m models.Model) (Source, error) {
	s, err := CheckSource(c, m)
	if err != nil {
		return Source{}, err
	}
	s.digest, err = c.Inspect()
	return s, err
}

// CheckSource is OpenSource without the digest, for which the whole file must be read.
func CheckSource(c *checkpoint.Checkpoint, m models.Model) (Source, error) {
	var want []checkpoint.Spec
	for _, s := range m.Plan().Specs() {
		want = append(want, checkpoint.Spec(s))
	}
	if err := c.Check(want); err != nil {
		return Source{}, err
	}
	for _, h := range m.Plan().Heads() {
		if err := checkHead(c, m, h); err != nil {
			return Source{}, fmt.Errorf("checkpoint %q: %w", c.Name, err)
		}
	}
	return Source{Checkpoint: c}, nil
}

// checkHead returns an error unless a head has a label and a bias for each output. Its
// tensors are there and have the right number of columns.
func checkHead(c *checkpoint.Checkpoint, m models.Model, h nn.HeadTensors) error {
	weight, _ := c.Tensor(h.Weight)
	outputs := weight.Shape[0]
	if h.Bias != "" {
		if bias, _ := c.Tensor(h.Bias); bias.Shape[0] != outputs {
			return fmt.Errorf("%q has %d outputs, but %q has %d", h.Weight, outputs, h.Bias, bias.Shape[0])
		}
	}
	return m.CheckLabels(outputs)
}

// OpenModel reads a checkpoint's architecture.
func OpenModel(c *checkpoint.Checkpoint) (models.Model, error) {
	m, err := models.Open(c.Config, c.Preprocessor)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %q: %w", c.Name, err)
	}
	return m, nil
}

// OpenMember opens a checkpoint of the family's architecture. A checkpoint of another
// architecture is refused with code Conflict.
func (f *Family) OpenMember(c *checkpoint.Checkpoint) (Source, models.Model, error) {
	m, err := OpenModel(c)
	if err != nil {
		return Source{}, nil, fault.With(fault.Invalid, err)
	}
	if has, want := m.Architecture(), f.Model.Architecture(); has != want {
		return Source{}, nil, fault.Errorf(fault.Conflict, "checkpoint %q is of another architecture than family %q: %s, not %s", c.Name, f.Name, has, want)
	}
	s, err := OpenSource(c, m)
	if err != nil {
		return Source{}, nil, fault.With(fault.Invalid, err)
	}
	return s, m, nil
}
