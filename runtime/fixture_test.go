package runtime

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	goruntime "runtime"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/models/image"
	"eigenserve/models/nn"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// The tests' family, by the names that the tests use.
const (
	tinyFamily  = testfamily.Name
	tinyMembers = testfamily.Size
	tinyConfig  = testfamily.Config
	tinySlab    = 40 << 10 // more than a slab and a head take, less than two
)

type tiny = testfamily.Checkpoint

var (
	newTiny         = testfamily.New
	tinyModel       = testfamily.Model
	member          = testfamily.Member
	picture         = testfamily.Picture
	denseLogits     = testfamily.DenseLogits
	must            = testfamily.Must
	codeOf          = testfamily.CodeOf
	openCheckpoint  = testfamily.OpenFolder
	reopen          = testfamily.Reopen
	emptyStore      = testfamily.EmptyStore
	tinyStore       = teststore.Fitted
	members         = testfamily.Members
	tinyCheckpoints = testfamily.FirstMembers
	folder          = teststore.Folder
)

func TestMain(m *testing.M) { teststore.Main(m) }

// upload returns a checkpoint as it is uploaded.
func upload(c *tiny) Upload {
	model, config, preprocessor := c.Files()
	return Upload{Model: model, Config: config, Preprocessor: preprocessor}
}

// fit fits the tests' family in a new store.
func fit(t testing.TB, name string, checkpoints []*checkpoint.Checkpoint) *store.Store {
	t.Helper()
	s := emptyStore(t)
	must(learn.Fit(context.Background(), s, name, checkpoints, learn.Options{}))
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
	for name, t := range family.SplitHead(tinyModel().Plan().Heads()[0], w, len(v.Labels)) {
		v.Private[name] = t
	}
	v.Head, v.HeadStep = nil, 0
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
func (f *servedFamily) forward(w *nn.Weights, pixels []float32) ([]float32, error) {
	inputs := []*input{{pixels: pixels}}
	logits, err := forwardPass(f, []nn.Group{{Spans: spansOf(f, inputs), Weights: w}}, inputs)
	if err != nil {
		return nil, err
	}
	return logits[0], nil
}

// holdSlot takes a slot of the engine's scheduler until release is called. The caller of a
// request may run before the slot that answered it is free, so it waits for that.
func holdSlot(eng *Engine) (release func()) {
	for {
		if release, ok := eng.scheduler.TakeSlot(); ok {
			return release
		}
		goruntime.Gosched()
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

// fileOf gives the bytes of a stored variant's file.
func fileOf(t testing.TB, eng *Engine, name string) []byte {
	t.Helper()
	e, err := eng.store.Entry(name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(blobPath(eng.store, e.Digest))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func blobPath(s *store.Store, digest string) string {
	return s.Dir() + "/blobs/" + digest + ".safetensors"
}

func mustRead(path string) []byte {
	raw, err := os.ReadFile(path)
	must(err)
	return raw
}

// edited is m1's file after a change.
func edited(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := eng.store.OpenBasis(v.Basis)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	plainHead(b, v)
	change(v)
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withHead is m1's variant changed with its head coded as it came from the gate.
func withHead(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Head) == 0 {
		t.Fatal("m1's head is not coded")
	}
	change(v)
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// state is all that must not change when something is refused: the list, the
// folder's files and an answer.
type state struct {
	List   []VariantInfo
	Files  map[string][32]byte
	Answer map[string]float64
}

func stateOf(t testing.TB, eng *Engine) state {
	t.Helper()
	s := state{Files: map[string][32]byte{}}
	folder := os.DirFS(eng.store.Dir())
	err := fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(folder, path)
		s.Files[path] = sha256.Sum256(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, s.Answer = classify(t, eng, "m1", picture(1, 8, 8))
	s.List, _ = eng.Variants("", 0)
	for i := range s.List {
		s.List[i].Requests, s.List[i].Hits, s.List[i].Rebuilds = 0, 0, 0
		s.List[i].Answers, s.List[i].Took, s.List[i].Rate, s.List[i].Latency = 0, 0, 0, 0
	}
	return s
}

// answers are what each variant's file has to answer, by digest.
type answers map[string]map[string]float64

// answersOf asks each member once, and gives their files.
func answersOf(t *testing.T, eng *Engine, image []byte) (a answers, files [][]byte) {
	t.Helper()
	a = answers{}
	for i := range tinyMembers {
		name, _ := member(i)
		answer, scores := classify(t, eng, name, image)
		a[answer.Digest] = scores
		files = append(files, fileOf(t, eng, name))
	}
	return a, files
}

// names are those of a list.
func names(list []VariantInfo) (out []string) {
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

// digests gives the digest of every variant by name.
func digests(s *store.Store) map[string]string {
	out := map[string]string{}
	for _, e := range s.Variants() {
		out[e.Name] = e.Digest
	}
	return out
}

func onlyFamily(t *testing.T, eng *Engine) *servedFamily {
	t.Helper()
	all := eng.families.open()
	if len(all) != 1 {
		t.Fatalf("%d families in memory", len(all))
	}
	for _, f := range all {
		return f
	}
	return nil
}

func tensorBytes(c *tiny) []byte {
	var all []byte
	for _, t := range c.Tensors {
		all = append(all, t.Data...)
	}
	return all
}
