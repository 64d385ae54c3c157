package family

import (
	"bytes"
	"fmt"

	"eigenserve/models"
	"eigenserve/models/input"
	"eigenserve/models/output"
	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

// Variant is the part of a store.Variant that answering requests needs, in memory that
// belongs to no file. It does not change.
type Variant struct {
	*store.Variant
	Input input.Spec  // how the model's inputs are prepared
	Task  output.Task // what its logits stand for
	// CoefficientBytes and PrivateBytes are sizes as stored, HeadBytes is the memory of
	// the packed heads.
	CoefficientBytes, PrivateBytes, HeadBytes int64
}

// Load copies the part of a variant that answering requests needs, so that the buffer of
// its file can be freed.
func (f *Family) Load(v *store.Variant) (*Variant, error) {
	if err := v.CheckBasis(f.Basis); err != nil {
		return nil, Coded(err)
	}
	spec, err := f.InputOf(v)
	if err != nil {
		return nil, Coded(err)
	}
	task, err := f.TaskOf(v)
	if err != nil {
		return nil, Coded(err)
	}
	out := &Variant{Input: spec, Task: task, HeadBytes: f.headBytes(v), Variant: &store.Variant{
		Name: v.Name, Family: v.Family, Basis: v.Basis, Digest: v.Digest,
		Step: v.Step, Labels: v.Labels, Preprocessor: bytes.Clone(v.Preprocessor), ProblemType: v.ProblemType,
		Gains: bytes.Clone(v.Gains), Coefficients: bytes.Clone(v.Coefficients),
		Head: bytes.Clone(v.Head), HeadStep: v.HeadStep, Private: cloneTensors(v.Private), Exact: cloneTensors(v.Exact)}}
	out.CoefficientBytes = int64(len(v.Coefficients) + len(v.Gains))
	out.PrivateBytes = PrivateBytes(v)
	return out, nil
}

// PrivateBytes returns the stored size of a variant's head, private tensors and exact
// tensors.
func PrivateBytes(v *store.Variant) int64 {
	n := len(v.Head)
	for _, tensors := range []map[string]tensorfile.Tensor{v.Private, v.Exact} {
		for _, t := range tensors {
			n += len(t.Data)
		}
	}
	return int64(n)
}

// cloneTensors returns a copy of tensors and their data, nil for none.
func cloneTensors(m map[string]tensorfile.Tensor) map[string]tensorfile.Tensor {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]tensorfile.Tensor, len(m))
	for name, t := range m {
		t.Data = bytes.Clone(t.Data)
		out[name] = t
	}
	return out
}

// InputOf returns how a variant's inputs are prepared: as its own
// preprocessor_config.json says if it has one, or else as the family's does.
func (f *Family) InputOf(v *store.Variant) (input.Spec, error) {
	if len(v.Preprocessor) == 0 {
		return f.Model.Input(), nil
	}
	m, err := models.Open(f.Basis.Config, v.Preprocessor)
	if err != nil {
		return input.Spec{}, fmt.Errorf("%w: preprocessor: %v", store.ErrFormat, err)
	}
	return m.Input(), nil
}

// TaskOf returns what a variant's logits stand for: as the variant's own problem_type
// says if it has one, else as the family's does.
func (f *Family) TaskOf(v *store.Variant) (output.Task, error) {
	problemType := f.Model.ProblemType()
	if v.ProblemType != nil {
		problemType = *v.ProblemType
	}
	if err := output.CheckProblemType(problemType); err != nil {
		return "", fmt.Errorf("%w: %w", store.ErrFormat, err)
	}
	return output.TaskOf(problemType, len(v.Labels)), nil
}
