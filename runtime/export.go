package runtime

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"gorgonia.org/tensor"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/durable"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// Export writes a variant as a full checkpoint, a folder as Hugging Face saves
// it, in float32. The folder must not exist yet, or be empty.
func (eng *Engine) Export(name, dir string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	_, l, err := eng.open(name)
	if err != nil {
		return err
	}
	v := l.variant
	b, err := l.family.whole()
	if err != nil {
		return storeError(err)
	}
	defer b.Close()
	tensors := map[string]tensorfile.Tensor{}
	err = subspace.Rebuild(b, v, func(name string, t *tensor.Dense) {
		tensors[name] = tensorfile.FromFloat32("F32", t.Shape(), t.Float32s())
	})
	if err != nil {
		return err
	}
	private, err := l.family.private(v)
	if err != nil {
		return err
	}
	for name, t := range private {
		values := make([]float32, t.Len())
		if err := t.Float32(values); err != nil {
			return err
		}
		tensors[name] = tensorfile.FromFloat32("F32", t.Shape, values)
	}
	config, err := exportConfig(b.Config, v)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return Errorf(Invalid, "%q is not empty: name a new folder", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
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
		if err := writeFile(filepath.Join(dir, "preprocessor_config.json"), indented(preprocessor)); err != nil {
			return err
		}
	}
	return tensorfile.WriteFile(filepath.Join(dir, "model.safetensors"), tensors, map[string]string{"format": "pt", checkpoint.RebuiltKey: v.Digest})
}

func writeFile(path string, content []byte) error {
	return durable.Replace(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// exportConfig is the family's config.json with the variant's labels and the
// type of the exported tensors.
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
	for _, key := range []string{"torch_dtype", "dtype"} {
		if _, ok := c[key]; ok {
			c[key] = "float32"
		}
	}
	return json.MarshalIndent(c, "", "  ")
}

func indented(raw []byte) []byte {
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
