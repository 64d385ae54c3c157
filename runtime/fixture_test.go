package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"sync"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/models"
	"eigenserve/models/image"
	"eigenserve/models/nn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// The tests' family: vision transformers of 8×8 images, one base with small
// random deltas, three to five labels each.
const (
	tinyFamily   = "tiny"
	tinyMembers  = 6
	tinyConfig   = `{"model_type":"vit","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":24,"image_size":8,"patch_size":4`
	tinyPictures = `{"image_processor_type":"ViTImageProcessor","size":{"height":8,"width":8}}`
	tinySlab     = 40 << 10 // more than a slab and a head take, less than two
)

// tiny is one checkpoint of the family, which a test may spoil before writing.
type tiny struct {
	config       map[string]any
	preprocessor string
	tensors      map[string]tensorfile.Tensor
}

// newTiny makes the seed's checkpoint; labels name it.
func newTiny(seed uint64, labels int) *tiny {
	c := &tiny{config: map[string]any{}, preprocessor: tinyPictures, tensors: map[string]tensorfile.Tensor{}}
	must(json.Unmarshal([]byte(tinyConfig+"}"), &c.config))
	names := map[string]string{}
	for i := range labels {
		names[strconv.Itoa(i)] = fmt.Sprintf("label %d of %d", i, seed)
	}
	c.config["id2label"] = names
	base, own := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(2, seed))
	for _, s := range tinyModel().Plan().Specs() {
		shape := append([]int(nil), s.Shape...)
		mean, spread := base, 0.3
		if shape[0] == -1 {
			shape[0], mean = labels, own
		}
		v := make([]float32, tensorfile.Tensor{Shape: shape}.Len())
		for i := range v {
			v[i] = float32(spread*mean.NormFloat64() + 0.03*own.NormFloat64())
		}
		c.tensors[s.Name] = tensorfile.FromFloat32("F32", shape, v)
	}
	return c
}

func tinyModel() models.Model {
	m, err := models.Open([]byte(tinyConfig+"}"), []byte(tinyPictures))
	must(err)
	return m
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (c *tiny) configJSON() []byte {
	raw, err := json.Marshal(c.config)
	must(err)
	return raw
}

func (c *tiny) upload() Upload {
	var model bytes.Buffer
	must(tensorfile.Encode(&model, c.tensors, nil))
	return Upload{Model: model.Bytes(), Config: c.configJSON(), Preprocessor: []byte(c.preprocessor)}
}

// write saves the checkpoint as a Hugging Face folder.
func (c *tiny) write(dir string) {
	must(os.MkdirAll(dir, 0o755))
	u := c.upload()
	must(os.WriteFile(filepath.Join(dir, "config.json"), u.Config, 0o644))
	must(os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), u.Preprocessor, 0o644))
	must(os.WriteFile(filepath.Join(dir, "model.safetensors"), u.Model, 0o644))
}

// open writes the checkpoint under a name and opens it.
func (c *tiny) open(t testing.TB, name string) *checkpoint.Checkpoint {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	c.write(dir)
	return openCheckpoint(t, dir)
}

func openCheckpoint(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// member names the family's i-th checkpoint and gives it.
func member(i int) (string, *tiny) { return fmt.Sprintf("m%d", i), newTiny(uint64(i), 3+i%3) }

// fittedStore is a store with the family fitted, made once. Tests get copies.
var fittedStore = sync.OnceValue(func() string {
	work := folder()
	var checkpoints []*checkpoint.Checkpoint
	for i := range tinyMembers {
		name, c := member(i)
		c.write(filepath.Join(work, name))
		opened, err := checkpoint.Open(filepath.Join(work, name))
		must(err)
		defer opened.Close()
		checkpoints = append(checkpoints, opened)
	}
	s, err := store.Create(filepath.Join(work, "store"))
	must(err)
	must(Fit(context.Background(), s, tinyFamily, checkpoints, FitOptions{Gate: Gate{Step: 0.5}}))
	return s.Dir()
})

// folders are those that tests share; TestMain removes them.
var folders []string

func folder() string {
	dir, err := os.MkdirTemp("", "eigenserve-runtime")
	must(err)
	folders = append(folders, dir)
	return dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range folders {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// tinyStore is a test's own copy of the fitted store.
func tinyStore(t testing.TB) *store.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(fittedStore())); err != nil {
		t.Fatal(err)
	}
	return reopen(t, dir)
}

func reopen(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serve(t testing.TB, s *store.Store, o Options) *Engine {
	t.Helper()
	eng, err := Open(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return eng
}

// tinyEngine serves a copy of the fitted store.
func tinyEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	return serve(t, tinyStore(t), o)
}

// picture is a PNG of random colours.
func picture(seed uint64, height, width int) []byte {
	r := rand.New(rand.NewPCG(3, seed))
	img := stdimage.NewNRGBA(stdimage.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255})
		}
	}
	var out bytes.Buffer
	must(png.Encode(&out, img))
	return out.Bytes()
}

// rebuiltTensors are a stored variant's tensors, all of them, as the reference
// makes them.
func rebuiltTensors(t testing.TB, s *store.Store, digest string) (*store.Variant, map[string][]float32) {
	t.Helper()
	v, err := s.ReadVariant(digest)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.OpenBasis(v.Basis)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tensors := map[string][]float32{}
	if err := subspace.Rebuild(b, v, func(name string, t *tensor.Dense) { tensors[name] = t.Float32s() }); err != nil {
		t.Fatal(err)
	}
	plainHead(b, v)
	for name, private := range v.Private {
		tensors[name] = make([]float32, private.Len())
		must(private.Float32(tensors[name]))
	}
	return v, tensors
}

// plainHead puts a coded head among the private tensors.
func plainHead(b *store.Basis, v *store.Variant) {
	if len(v.Head) == 0 {
		return
	}
	head, err := subspace.NewHead(&b.Heads[0])
	must(err)
	w, err := head.Decode(v.Head, len(v.Labels), v.HeadStep)
	must(err)
	for name, t := range splitHead(tinyModel().Plan().Heads()[0], w, len(v.Labels)) {
		v.Private[name] = t
	}
	v.Head, v.HeadStep = nil, 0
}

// denseLogits answers an image with a model whose weights are these tensors: no
// basis, no cache, no engine.
func denseLogits(t testing.TB, m models.Model, tensors map[string][]float32, labels int, file []byte) []float32 {
	t.Helper()
	plan := m.Plan()
	read := func(name string, dst []float32) error {
		if copy(dst, tensors[name]) != len(dst) {
			return fmt.Errorf("%q is missing", name)
		}
		return nil
	}
	slab := make([]float32, plan.SlabLen())
	if err := plan.Load(slab, read); err != nil {
		t.Fatal(err)
	}
	w := plan.Bind(slab)
	if err := plan.BindPrivate(&w, func(name string) ([]float32, []int, error) {
		if v := tensors[name]; len(v) > labels {
			return v, []int{labels, len(v) / labels}, nil
		}
		return tensors[name], []int{labels}, nil
	}); err != nil {
		t.Fatal(err)
	}
	pixels, err := prepare(m.Input().Image, file)
	if err != nil {
		t.Fatal(err)
	}
	var p nn.Pass
	inputs := []models.Input{{Pixels: pixels}}
	p.Begin(nn.Group{Spans: models.Spans(m, inputs), Weights: &w})
	outputs, err := m.Forward(&p, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), outputs[0].Logits...)
}

// prepare makes an image file into one input (channels, height, width).
func prepare(spec image.Spec, image []byte) ([]float32, error) {
	pixels := make([]float32, spec.Len())
	_, fill, err := decoding(spec, image)()
	if err == nil {
		err = fill(pixels)
	}
	return pixels, err
}

// forward runs one image through a variant, alone.
func (f *family) forward(w *nn.Weights, pixels []float32) ([]float32, error) {
	rows := []*row{{pixels: pixels}}
	logits, err := f.logits([]nn.Group{{Spans: f.spans(rows), Weights: w}}, rows)
	if err != nil {
		return nil, err
	}
	return logits[0], nil
}

// occupy takes a slot of a scheduler until it is given back, and then gives
// what waits to it. Who has an answer may be here before the slot that it came from
// is free, which would take what is asked next.
func (s *scheduler) occupy() (giveBack func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running == s.slots {
		s.mu.Unlock()
		goruntime.Gosched()
		s.mu.Lock()
	}
	s.running++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
		s.kick()
	}
}

// classify asks for all logits, by label.
func classify(t testing.TB, eng *Engine, name string, file []byte) (Answer, map[string]float64) {
	t.Helper()
	a, err := eng.Classify(context.Background(), name, file, ClassifyOptions{Function: "none"})
	if err != nil {
		t.Fatalf("classify by %s: %v", name, err)
	}
	return a, byLabel(a)
}

func byLabel(a Answer) map[string]float64 {
	out := map[string]float64{}
	for _, s := range a.Scores {
		out[s.Label] = s.Score
	}
	return out
}
