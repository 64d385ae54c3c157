package family

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"gorgonia.org/tensor"

	"eigenserve/runtime/fault"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/durable"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Export writes a variant as a checkpoint in float32, to a folder as Hugging Face saves
// it. The folder must be empty or not exist.
func (f *Family) Export(v *store.Variant, dir string) error {
	b, err := f.OpenBasis()
	if err != nil {
		return err
	}
	defer b.Close()
	tensors, err := f.exportTensors(b, v)
	if err != nil {
		return err
	}
	config, err := exportConfig(b.Config, v)
	if err != nil {
		return err
	}
	if err := makeEmptyFolder(dir); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "config.json"), config); err != nil {
		return err
	}
	preprocessor := b.Preprocessor
	if len(v.Preprocessor) > 0 {
		preprocessor = v.Preprocessor
	}
	if len(preprocessor) > 0 {
		if err := writeFile(filepath.Join(dir, "preprocessor_config.json"), indent(preprocessor)); err != nil {
			return err
		}
	}
	return tensorfile.WriteFile(filepath.Join(dir, "model.safetensors"), tensors, map[string]string{"format": "pt", checkpoint.RebuiltKey: v.Digest})
}

// makeEmptyFolder makes a folder unless it exists, and refuses one that is not empty.
func makeEmptyFolder(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fault.Errorf(fault.Invalid, "%q is not empty: name a new folder", dir)
	}
	return os.MkdirAll(dir, 0o755)
}

// exportTensors returns all tensors of a variant in float32.
func (f *Family) exportTensors(b *store.Basis, v *store.Variant) (map[string]tensorfile.Tensor, error) {
	out := map[string]tensorfile.Tensor{}
	err := subspace.Rebuild(b, v, func(name string, t *tensor.Dense) {
		out[name] = tensorfile.FromFloat32("F32", t.Shape(), t.Float32s())
	})
	if err != nil {
		return nil, err
	}
	private, err := f.Private(v)
	if err != nil {
		return nil, err
	}
	for name, t := range private {
		values := make([]float32, t.Len())
		if err := t.Float32(values); err != nil {
			return nil, err
		}
		out[name] = tensorfile.FromFloat32("F32", t.Shape, values)
	}
	return out, nil
}

// writeFile writes a file all at once.
func writeFile(path string, content []byte) error {
	return durable.Replace(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// exportConfig returns the family's config.json with the labels of a variant, its own
// problem_type if it has one, and float32 as the type of the tensors.
func exportConfig(config []byte, v *store.Variant) ([]byte, error) {
	var c map[string]any
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	names, ids := map[string]string{}, map[string]int{}
	for i, l := range v.Labels {
		names[strconv.Itoa(i)] = l
		ids[l] = i
	}
	c["id2label"], c["label2id"] = names, ids
	if own := v.ProblemType; own != nil && *own != "" {
		c["problem_type"] = *own
	} else if own != nil {
		delete(c, "problem_type")
	}
	for _, key := range []string{"torch_dtype", "dtype"} {
		if _, ok := c[key]; ok {
			c[key] = "float32"
		}
	}
	return json.MarshalIndent(c, "", "  ")
}

// indent returns JSON indented, or unchanged if it cannot be parsed.
func indent(raw []byte) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return raw
	}
	return out
}
