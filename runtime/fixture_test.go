package runtime

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"

	"gorgonia.org/tensor"

	"eigenserve/models/image"
	"eigenserve/runtime/family"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/store"
	"eigenserve/store/subspace"
)

// tinySlab is a weight cache with room for one of the tiny family's variants, its slab and
// its head, but not for two.
const tinySlab = 40 << 10

var (
	must    = testfamily.Must
	codeOf  = testfamily.CodeOf
	picture = testfamily.Picture
)

func TestMain(m *testing.M) { teststore.Main(m) }

// serve opens an engine that is closed at the end of the test.
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

// tinyEngine serves a new copy of a store with the tiny family: the models m0 to m5.
func tinyEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	return serve(t, teststore.Fitted(t), o)
}

// openAgain serves the store of an engine once more, as another process would.
func openAgain(t testing.TB, eng *Engine) *Engine {
	t.Helper()
	return serve(t, testfamily.Reopen(t, eng.store.Dir()), Options{})
}

// onlyFamily returns the one family that an engine has in memory.
func onlyFamily(t *testing.T, eng *Engine) *servedFamily {
	t.Helper()
	all := eng.families.open()
	if len(all) != 1 {
		t.Fatalf("%d families in memory, want 1", len(all))
	}
	for _, f := range all {
		return f
	}
	return nil
}

// holdSlot takes a slot of the engine's scheduler until release is called. A request may
// return before its slot is free again, so holdSlot waits for one.
func holdSlot(eng *Engine) (release func()) {
	for {
		if release, ok := eng.scheduler.TakeSlot(); ok {
			return release
		}
		goruntime.Gosched()
	}
}

// upload returns a checkpoint as it is uploaded.
func upload(c *testfamily.Checkpoint) Upload {
	model, config, preprocessor := c.Files()
	return Upload{Model: model, Config: config, Preprocessor: preprocessor}
}

// tensorBytes returns the data of all tensors of a checkpoint.
func tensorBytes(c *testfamily.Checkpoint) []byte {
	var all []byte
	for _, t := range c.Tensors {
		all = append(all, t.Data...)
	}
	return all
}

// blobPath returns the path of a variant's or a basis's file.
func blobPath(s *store.Store, digest string) string {
	return filepath.Join(s.Dir(), "blobs", digest+".safetensors")
}

// mustRead returns the contents of a file.
func mustRead(path string) []byte {
	raw, err := os.ReadFile(path)
	must(err)
	return raw
}

// fileOf returns the contents of a stored variant's file.
func fileOf(t testing.TB, eng *Engine, name string) []byte {
	t.Helper()
	e, err := eng.store.Entry(name)
	if err != nil {
		t.Fatal(err)
	}
	return mustRead(blobPath(eng.store, e.Digest))
}

// putFile makes a variant's file the next version of a name.
func putFile(t testing.TB, eng *Engine, name string, file []byte) VariantInfo {
	t.Helper()
	info, _, err := eng.PutVariant(context.Background(), name, file)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return info
}

// putAlias makes an alias or moves it.
func putAlias(t testing.TB, eng *Engine, name string, targets ...Target) {
	t.Helper()
	if _, _, err := eng.PutAlias(context.Background(), name, targets); err != nil {
		t.Fatalf("put alias %s: %v", name, err)
	}
}

// edited returns the file of m1 after a change. The head is among the private tensors.
func edited(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	return editedCoded(t, eng, func(v *store.Variant) {
		b, err := eng.store.OpenBasis(v.Basis)
		must(err)
		defer b.Close()
		decodeHead(b, v)
		change(v)
	})
}

// editedCoded returns the file of m1 after a change. The head is coded, as the gate does it.
func editedCoded(t testing.TB, eng *Engine, change func(v *store.Variant)) []byte {
	t.Helper()
	v, err := store.ParseVariant(fileOf(t, eng, "m1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Head) == 0 {
		t.Fatal("the head of m1 is not coded")
	}
	change(v)
	raw, err := v.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// decodeHead moves a coded head to the private tensors.
func decodeHead(b *store.Basis, v *store.Variant) {
	if len(v.Head) == 0 {
		return
	}
	head, err := subspace.NewHead(&b.Heads[0])
	must(err)
	w, err := head.Decode(v.Head, len(v.Labels), v.HeadStep)
	must(err)
	for name, t := range family.SplitHead(testfamily.Model().Plan().Heads()[0], w, len(v.Labels)) {
		v.Private[name] = t
	}
	v.Head, v.HeadStep = nil, 0
}

// rebuiltTensors returns a stored variant, and all of its tensors as package subspace
// rebuilds them.
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
	decodeHead(b, v)
	for name, private := range v.Private {
		tensors[name] = make([]float32, private.Len())
		must(private.Float32(tensors[name]))
	}
	return v, tensors
}

// prepare decodes an image file into pixels (channels, height, width).
func prepare(spec image.Spec, image []byte) ([]float32, error) {
	pixels := make([]float32, spec.Len())
	_, decode, err := decoding(spec, image)()
	if err == nil {
		err = decode(pixels)
	}
	return pixels, err
}

// classify returns a model's answer to an image file, and its logits by label.
func classify(t testing.TB, eng *Engine, ref string, file []byte) (Answer, map[string]float64) {
	t.Helper()
	a, err := eng.Classify(context.Background(), ref, file, ClassifyOptions{Function: "none"})
	if err != nil {
		t.Fatalf("classify by %s: %v", ref, err)
	}
	return a, byLabel(a)
}

// byLabel returns the scores of an answer by label.
func byLabel(a Answer) map[string]float64 {
	out := map[string]float64{}
	for _, s := range a.Scores {
		out[s.Label] = s.Score
	}
	return out
}

// answersOf returns the logits that each member of the family answers, by digest, and the
// members' files.
func answersOf(t *testing.T, eng *Engine, image []byte) (answers map[string]map[string]float64, files [][]byte) {
	t.Helper()
	answers = map[string]map[string]float64{}
	for i := range testfamily.Size {
		name, _ := testfamily.Member(i)
		a, scores := classify(t, eng, name, image)
		answers[a.Digest] = scores
		files = append(files, fileOf(t, eng, name))
	}
	return answers, files
}

// namesOf returns the names of a list.
func namesOf(list []VariantInfo) (out []string) {
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

// digestsOf returns the digest of every variant by name.
func digestsOf(s *store.Store) map[string]string {
	out := map[string]string{}
	for _, e := range s.Variants() {
		out[e.Name] = e.Digest
	}
	return out
}

// state is what a refused request must not change: the list of variants, the files of the
// store, and an answer.
type state struct {
	List   []VariantInfo
	Files  map[string][32]byte
	Answer map[string]float64
}

// stateOf returns the state of an engine, without its counters.
func stateOf(t testing.TB, eng *Engine) state {
	t.Helper()
	s := state{Files: map[string][32]byte{}}
	dir := os.DirFS(eng.store.Dir())
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(dir, path)
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
