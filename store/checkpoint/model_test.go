package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store/tensorfile"
)

// The test model is small but has every kind of tensor.
const (
	width, depth, mlp, patch, positions, labels = 6, 2, 10, 2, 5, 3
	hfConfig                                    = `{"model_type":"vit","hidden_size":6,"layer_norm_eps":1e-12}`
)

// named holds tensors by their names in some library.
type named map[string]tensorfile.Tensor

// modelSpecs returns the tensors that a Hugging Face ViT classifier of that size needs.
func modelSpecs() []Spec {
	specs := []Spec{
		{"vit.embeddings.cls_token", []int{1, 1, width}},
		{"vit.embeddings.position_embeddings", []int{1, positions, width}},
		{"vit.embeddings.patch_embeddings.projection.weight", []int{width, 3, patch, patch}},
		{"vit.embeddings.patch_embeddings.projection.bias", []int{width}},
		{"vit.layernorm.weight", []int{width}}, {"vit.layernorm.bias", []int{width}},
		{"classifier.weight", []int{-1, width}}, {"classifier.bias", []int{-1}},
	}
	for i := range depth {
		block := fmt.Sprintf("vit.encoder.layer.%d.", i)
		for _, m := range []struct {
			name      string
			out, cols int // no cols: a norm
		}{
			{"attention.attention.query", width, width}, {"attention.attention.key", width, width},
			{"attention.attention.value", width, width}, {"attention.output.dense", width, width},
			{"intermediate.dense", mlp, width}, {"output.dense", width, mlp},
			{"layernorm_before", width, 0}, {"layernorm_after", width, 0},
		} {
			shape := []int{m.out}
			if m.cols > 0 {
				shape = append(shape, m.cols)
			}
			specs = append(specs, Spec{block + m.name + ".weight", shape}, Spec{block + m.name + ".bias", []int{m.out}})
		}
	}
	return specs
}

// model returns the tensors, each with other values.
func model() named {
	r := rand.New(rand.NewPCG(1, 2))
	tensors := named{}
	for _, s := range modelSpecs() {
		shape := append([]int(nil), s.Shape...)
		if shape[0] == -1 {
			shape[0] = labels
		}
		v := make([]float32, tensorfile.Tensor{Shape: shape}.Len())
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		tensors[s.Name] = tensorfile.FromFloat32("F32", shape, v)
	}
	return tensors
}

// rename replaces parts of names, given as pairs of old and new.
func (n named) rename(oldnew ...string) named {
	replacer := strings.NewReplacer(oldnew...)
	renamed := named{}
	for name, t := range n {
		renamed[replacer.Replace(name)] = t
	}
	return renamed
}

// with adds or replaces a tensor, or removes it if the shape is nil.
func (n named) with(name string, shape ...int) named {
	changed := maps.Clone(n)
	delete(changed, name)
	if shape != nil {
		changed[name] = tensorfile.FromFloat32("F32", shape, make([]float32, tensorfile.Tensor{Shape: shape}.Len()))
	}
	return changed
}

// stack stacks query, key and value of every block by rows. weight and bias are the names of
// the stacked tensors, with %d for the number of the block.
func (n named) stack(weight, bias string) named {
	stacked := maps.Clone(n)
	for i := range depth {
		for leaf, pattern := range map[string]string{"weight": weight, "bias": bias} {
			var all tensorfile.Tensor
			for _, part := range []string{"query", "key", "value"} {
				name := fmt.Sprintf("vit.encoder.layer.%d.attention.attention.%s.%s", i, part, leaf)
				t := stacked[name]
				delete(stacked, name)
				all.DType, all.Data = t.DType, append(all.Data, t.Data...)
				all.Shape = append([]int{3 * t.Shape[0]}, t.Shape[1:]...)
			}
			stacked[fmt.Sprintf(pattern, i)] = all
		}
	}
	return stacked
}

func (n named) asTimm() named {
	return n.stack("blocks.%d.attn.qkv.weight", "blocks.%d.attn.qkv.bias").rename(
		"vit.embeddings.cls_token", "cls_token", "vit.embeddings.position_embeddings", "pos_embed",
		"vit.embeddings.patch_embeddings.projection", "patch_embed.proj", "vit.layernorm", "norm", "classifier", "head",
		"vit.encoder.layer.", "blocks.", "attention.output.dense", "attn.proj",
		"layernorm_before", "norm1", "layernorm_after", "norm2", "intermediate.dense", "mlp.fc1", "output.dense", "mlp.fc2")
}

func (n named) asTorchvision(fc1, fc2 string) named {
	const block = "encoder.layers.encoder_layer_"
	return n.stack(block+"%d.self_attention.in_proj_weight", block+"%d.self_attention.in_proj_bias").rename(
		"vit.embeddings.cls_token", "class_token", "vit.embeddings.position_embeddings", "encoder.pos_embedding",
		"vit.embeddings.patch_embeddings.projection", "conv_proj", "vit.layernorm", "encoder.ln", "classifier", "heads.head",
		"vit.encoder.layer.", block, "attention.output.dense", "self_attention.out_proj",
		"layernorm_before", "ln_1", "layernorm_after", "ln_2", "intermediate.dense", fc1, "output.dense", fc2)
}

func (n named) asTransformers5() named {
	return n.rename("vit.encoder.layer.", "vit.layers.",
		"attention.attention.query", "attention.q_proj", "attention.attention.key", "attention.k_proj",
		"attention.attention.value", "attention.v_proj", "attention.output.dense", "attention.o_proj",
		"intermediate.dense", "mlp.fc1", "output.dense", "mlp.fc2")
}

// asWrapped adds DataParallel's prefix to every name.
func (n named) asWrapped() named {
	wrapped := named{}
	for name, t := range n {
		wrapped["module."+name] = t
	}
	return wrapped
}

// folder writes the weights and other files of a checkpoint. files alternates between names
// and contents.
func folder(t *testing.T, weights named, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "glyphs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if weights != nil {
		if err := tensorfile.WriteFile(filepath.Join(dir, weightsName), weights, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mustOpen opens a checkpoint, which is closed when the test ends.
func mustOpen(t testing.TB, dir string) *Checkpoint {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func mustDigest(t testing.TB, c *Checkpoint) string {
	t.Helper()
	d, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// upload calls FromFiles with tensors in memory.
func upload(t *testing.T, weights named, config string) (*Checkpoint, error) {
	t.Helper()
	var b bytes.Buffer
	if err := tensorfile.Encode(&b, weights, nil); err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	if config != "" {
		raw = []byte(config)
	}
	return FromFiles("glyphs", raw, nil, f)
}

// object decodes a JSON object.
func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// prefixed puts a prefix in front of every name.
func (n named) prefixed(prefix string) named {
	out := named{}
	for name, t := range n {
		out[prefix+name] = t
	}
	return out
}
