// Package testfamily makes checkpoints of a tiny family for tests: vision transformers
// of 8×8 images, fine-tuned from one random base, with three to five labels each.
//
// It makes no stores; package teststore does.
package testfamily

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"eigenserve/models"
	"eigenserve/runtime/fault"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// Properties of the family.
const (
	Name         = "tiny"
	Size         = 6 // number of members
	Config       = `{"model_type":"vit","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":24,"image_size":8,"patch_size":4`
	Preprocessor = `{"image_processor_type":"ViTImageProcessor","size":{"height":8,"width":8}}`
)

// Checkpoint is a checkpoint of the family. A test may damage it before it is written.
type Checkpoint struct {
	Config       map[string]any
	Preprocessor string
	Tensors      map[string]tensorfile.Tensor
}

// New returns the checkpoint of a seed, whose labels contain the seed.
func New(seed uint64, labels int) *Checkpoint {
	c := &Checkpoint{Config: map[string]any{}, Preprocessor: Preprocessor, Tensors: map[string]tensorfile.Tensor{}}
	Must(json.Unmarshal([]byte(Config+"}"), &c.Config))
	names := map[string]string{}
	for i := range labels {
		names[strconv.Itoa(i)] = fmt.Sprintf("label %d of %d", i, seed)
	}
	c.Config["id2label"] = names
	base, tuned := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(2, seed))
	for _, s := range Model().Plan().Specs() {
		shape := append([]int(nil), s.Shape...)
		mean, spread := base, 0.3
		if shape[0] == -1 {
			shape[0], mean = labels, tuned
		}
		v := make([]float32, tensorfile.Tensor{Shape: shape}.Len())
		for i := range v {
			v[i] = float32(spread*mean.NormFloat64() + 0.03*tuned.NormFloat64())
		}
		c.Tensors[s.Name] = tensorfile.FromFloat32("F32", shape, v)
	}
	return c
}

// WithTask keeps the first labels of the head, and sets problem_type unless it is "".
func (c *Checkpoint) WithTask(problemType string, labels int) *Checkpoint {
	names := map[string]string{}
	for i := range labels {
		names[strconv.Itoa(i)] = fmt.Sprintf("output %d", i)
	}
	c.Config["id2label"] = names
	delete(c.Config, "label2id")
	delete(c.Config, "problem_type")
	if problemType != "" {
		c.Config["problem_type"] = problemType
	}
	for _, name := range []string{"classifier.weight", "classifier.bias"} {
		t := c.Tensors[name]
		v := make([]float32, t.Len())
		Must(t.Float32(v))
		shape := slices.Clone(t.Shape)
		v = v[:t.Len()/shape[0]*labels]
		shape[0] = labels
		c.Tensors[name] = tensorfile.FromFloat32("F32", shape, v)
	}
	return c
}

// Foreign returns a checkpoint of another lineage with the family's shapes. Its labels are
// those of New(seed, 3).
func Foreign(seed uint64) *Checkpoint {
	c, other := New(seed, 3), New(seed+1000, 3)
	for name, t := range other.Tensors {
		v := make([]float32, t.Len())
		Must(t.Float32(v))
		if strings.HasSuffix(name, ".weight") && len(t.Shape) > 1 {
			slices.Reverse(v)
		}
		c.Tensors[name] = tensorfile.FromFloat32("F32", t.Shape, v)
	}
	return c
}

// Member returns the name and the checkpoint of the family's i-th member.
func Member(i int) (string, *Checkpoint) { return fmt.Sprintf("m%d", i), New(uint64(i), 3+i%3) }

// Members writes and opens the given members of the family.
func Members(t testing.TB, which ...int) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for _, i := range which {
		name, c := Member(i)
		out = append(out, c.Open(t, name))
	}
	return out
}

// FirstMembers writes and opens the first n members of the family.
func FirstMembers(t testing.TB, n int) []*checkpoint.Checkpoint {
	t.Helper()
	which := make([]int, n)
	for i := range which {
		which[i] = i
	}
	return Members(t, which...)
}

// Model returns the family's architecture.
func Model() models.Model {
	m, err := models.Open([]byte(Config+"}"), []byte(Preprocessor))
	Must(err)
	return m
}

// Model returns the architecture that the checkpoint's files describe.
func (c *Checkpoint) Model() (models.Model, error) {
	_, config, preprocessor := c.Files()
	return models.Open(config, preprocessor)
}

// Must panics if err is not nil.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Files returns the files of the checkpoint: weights, config.json and
// preprocessor_config.json.
func (c *Checkpoint) Files() (model, config, preprocessor []byte) {
	var weights bytes.Buffer
	Must(tensorfile.Encode(&weights, c.Tensors, nil))
	config, err := json.Marshal(c.Config)
	Must(err)
	return weights.Bytes(), config, []byte(c.Preprocessor)
}

// Write writes the checkpoint to a folder as Hugging Face saves it.
func (c *Checkpoint) Write(dir string) {
	model, config, preprocessor := c.Files()
	Must(os.MkdirAll(dir, 0o755))
	Must(os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
	Must(os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), preprocessor, 0o644))
	Must(os.WriteFile(filepath.Join(dir, "model.safetensors"), model, 0o644))
}

// Open writes the checkpoint to a temporary folder of the given name and opens it.
func (c *Checkpoint) Open(t testing.TB, name string) *checkpoint.Checkpoint {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	c.Write(dir)
	return OpenFolder(t, dir)
}

// OpenFolder opens a checkpoint and closes it at the end of the test.
func OpenFolder(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// OpenFolders opens checkpoints and closes them at the end of the test.
func OpenFolders(t testing.TB, dirs []string) (out []*checkpoint.Checkpoint) {
	t.Helper()
	for _, dir := range dirs {
		out = append(out, OpenFolder(t, dir))
	}
	return out
}

// Values returns the values of all tensors of a checkpoint.
func Values(c *checkpoint.Checkpoint) map[string][]float32 {
	out := map[string][]float32{}
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		out[name] = make([]float32, t.Len())
		Must(t.Float32(out[name]))
	}
	return out
}

// EmptyStore returns a new store.
func EmptyStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Reopen opens a store again, as another process would.
func Reopen(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Picture returns an image of random colours as a PNG file.
func Picture(seed uint64, height, width int) []byte {
	r := rand.New(rand.NewPCG(3, seed))
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255})
		}
	}
	var out bytes.Buffer
	Must(png.Encode(&out, img))
	return out.Bytes()
}

// CodeOf returns the code of an error, -1 if it has none.
func CodeOf(err error) fault.Code {
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known.Code
	}
	return -1
}
