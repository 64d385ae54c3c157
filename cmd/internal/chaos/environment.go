package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"eigenserve/cmd/internal/load"
	"eigenserve/cmd/internal/process"
	"eigenserve/cmd/internal/synth"
	"eigenserve/models"
	"eigenserve/runtime"
	"eigenserve/store"
)

// What the world of a chaos run holds. Fitted models are those that refits move,
// live ones those that clients add, replace and delete; spare originals are
// uploaded as checkpoints and never fitted.
const (
	familyName       = "chaos"
	fittedModels     = 5
	spareCheckpoints = 2
	liveModels       = 6
	abortedModels    = 2 // names whose changes are given up half way
	aliasCount       = 3
	imageCount       = 4
)

// modelSpec is small: trouble is to be had from the number of changes and
// answers, not from their size.
var modelSpec = synth.Spec{Name: "chaos", Density: 0.1, Config: `{"model_type":"vit","hidden_size":32,"num_hidden_layers":2,` +
	`"num_attention_heads":2,"intermediate_size":64,"image_size":16,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f"}}`}

// environment is a store under trouble with all that is known of it.
type environment struct {
	dir       string // of all files of the run
	originals []string
	images    [][]byte
	requests  [][]byte
	server    supervisor
	history   *history
	reference *reference
	names     struct{ fitted, live, cut, aliases []string }

	model models.Model

	mu    sync.Mutex     // guards bases
	bases []*store.Basis // the newest last
}

func (w *environment) storeDir() string { return filepath.Join(w.dir, "store") }

// newEnvironment makes checkpoints, fits a store of them, and knows what it holds.
func newEnvironment(ctx context.Context, dir string, seed uint64) (*environment, error) {
	w := &environment{dir: dir}
	l, err := synth.NewLineage(modelSpec, seed)
	if err != nil {
		return nil, err
	}
	w.model = l.Model
	if _, err := l.Write(ctx, filepath.Join(dir, "originals"), fittedModels+spareCheckpoints, func(int) {}); err != nil {
		return nil, err
	}
	if w.originals, err = filepath.Glob(filepath.Join(dir, "originals", "*")); err != nil {
		return nil, err
	}
	if _, err := process.Run(ctx, append(w.learnArgs("fit"), w.originals[:fittedModels]...)...); err != nil {
		return nil, err
	}
	for _, o := range w.originals[:fittedModels] {
		w.names.fitted = append(w.names.fitted, filepath.Base(o))
	}
	w.names.live, w.names.cut, w.names.aliases = numbered("live", liveModels), numbered("cut", abortedModels), numbered("alias", aliasCount)
	w.history = newHistory(slices.Concat(w.names.fitted, w.names.live, w.names.cut, w.names.aliases))
	if w.images, err = synth.Images(16, 16, imageCount); err == nil {
		w.requests, err = load.LogitRequests(w.images)
	}
	if err != nil {
		return nil, err
	}
	if w.reference, err = newReference(filepath.Join(dir, "expected"), w.images); err != nil {
		return nil, err
	}
	return w, w.recordFitted()
}

func numbered(word string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%s-%d", word, i))
	}
	return out
}

// recordFitted takes what was fitted for acknowledged.
func (w *environment) recordFitted() error {
	s, err := store.Open(w.storeDir())
	if err != nil {
		return err
	}
	for _, e := range s.Variants() {
		if w.history.registers[e.Name] == nil {
			return fmt.Errorf("a fit has stored %s", e.Name)
		}
		if err := w.addStored(e.Digest); err != nil {
			return err
		}
		w.history.begin(e.Name, e.Digest).commit(e.Digest, e.Version)
	}
	return nil
}

// addStored reads a variant's file from the store and works out its answers.
func (w *environment) addStored(digest string) error {
	if w.reference.has(digest) {
		return nil
	}
	file, err := os.ReadFile(filepath.Join(w.storeDir(), "blobs", digest+".safetensors"))
	if err != nil {
		return err
	}
	if has := store.Digest(file); has != digest {
		return fmt.Errorf("the file of %.12s has digest %.12s", digest, has)
	}
	v, err := store.ParseVariant(file)
	if err != nil {
		return err
	}
	if err := w.addBasis(v.Basis); err != nil {
		return err
	}
	return w.reference.add(file)
}

// addBasis copies a basis that is new to the expectations.
func (w *environment) addBasis(digest string) error {
	b, err := w.reference.addBasis(digest, filepath.Join(w.storeDir(), "blobs", digest+".safetensors"))
	if b != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bases = append(w.bases, b)
	}
	return err
}

// makeVariant makes a variant's file that no other is like: other weights, and labels
// that are in no other's answers. It stands on the newest basis, or on one before.
func (w *environment) makeVariant(r *rand.Rand, back int) ([]byte, error) {
	w.mu.Lock()
	b := w.bases[max(0, len(w.bases)-1-back)]
	w.mu.Unlock()
	tag := fmt.Sprintf("made-%08x", r.Uint32()) // so that no refit finds its original
	labels := synth.LabelNames(3 + r.IntN(6))
	for i := range labels {
		labels[i] = tag + " " + labels[i]
	}
	_, file, err := modelSpec.Make(b, w.model, tag, labels, r)
	if err == nil {
		err = w.reference.add(file)
	}
	return file, err
}

// learnArgs are the arguments of a fit or a refit, which make the next basis.
func (w *environment) learnArgs(command string) []string {
	return []string{command, "--store", w.storeDir(), "--family", familyName, "--metric", "none", "--step", "1"}
}

// reference are the logits that each digest is to answer with, worked out by
// the reference from the files alone, in a store of their own.
type reference struct {
	images [][]byte
	store  *store.Store
	eng    *runtime.Engine

	busy   sync.Mutex // held while something is worked out
	mu     sync.Mutex // guards known
	logits map[string]variantLogits
	bases  map[string]bool // guarded by working
}

type variantLogits struct {
	labels []string
	logits [][]float32 // by image
}

func newReference(dir string, images [][]byte) (*reference, error) {
	s, err := store.Create(dir)
	if err != nil {
		return nil, err
	}
	eng, err := runtime.Open(s, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	return &reference{images: images, store: s, eng: eng, logits: map[string]variantLogits{}, bases: map[string]bool{}}, err
}

func (e *reference) has(digest string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.logits[digest]
	return ok
}

func (e *reference) logitsOf(digest string) (variantLogits, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.logits[digest]
	return x, ok
}

// addBasis copies a basis, and gives it if it is new.
func (e *reference) addBasis(digest, path string) (*store.Basis, error) {
	e.busy.Lock()
	defer e.busy.Unlock()
	if e.bases[digest] {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	put, err := e.store.PutBasisFile(raw)
	if err == nil && put.Basis != digest {
		err = fmt.Errorf("the file of basis %.12s has digest %.12s", digest, put.Basis)
	}
	if err != nil {
		return nil, err
	}
	e.bases[digest] = true
	return e.store.OpenBasis(digest)
}

// add works out what a variant's file is to answer.
func (e *reference) add(file []byte) error {
	digest := store.Digest(file)
	if e.has(digest) {
		return nil
	}
	e.busy.Lock()
	defer e.busy.Unlock()
	v, err := store.ParseVariant(file)
	if err != nil {
		return err
	}
	const name = "one"
	if _, _, err := e.eng.PutVariant(context.Background(), name, file); err != nil {
		return err
	}
	logits, err := e.eng.Reference(name, e.images)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logits[digest] = variantLogits{v.Labels, logits}
	return nil
}

// formatTargets writes an alias's targets as claims hold them.
func formatTargets(targets []runtime.Target) string {
	raw, err := json.Marshal(targets)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(raw)
}

func parseTargets(value string) (out []runtime.Target) {
	if value != "" {
		_ = json.Unmarshal([]byte(value), &out)
	}
	return out
}
