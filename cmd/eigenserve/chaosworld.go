package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"eigenserve/models"
	"eigenserve/runtime"
	"eigenserve/store"
)

// What the world of a chaos run holds. Fitted models are those that refits move,
// live ones those that clients add, replace and delete; spare originals are
// uploaded as checkpoints and never fitted.
const (
	chaosFamily  = "chaos"
	chaosFitted  = 5
	chaosSpare   = 2
	chaosLive    = 6
	chaosCut     = 2 // names whose changes are given up half way
	chaosAliases = 3
	chaosImages  = 4
)

// chaosModel is small: trouble is to be had from the number of changes and
// answers, not from their size.
var chaosModel = synthetic{name: "chaos", density: 0.1, config: `{"model_type":"vit","hidden_size":32,"num_hidden_layers":2,` +
	`"num_attention_heads":2,"intermediate_size":64,"image_size":16,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f"}}`}

// world is a store under trouble with all that is known of it.
type world struct {
	dir       string // of all files of the run
	originals []string
	images    [][]byte
	bodies    [][]byte
	server    mortal
	claims    *claims
	expected  *expectations
	names     struct{ fitted, live, cut, aliases []string }

	model models.Model

	mu    sync.Mutex     // guards bases
	bases []*store.Basis // the newest last
}

func (w *world) store() string { return filepath.Join(w.dir, "store") }

// newWorld makes checkpoints, fits a store of them, and knows what it holds.
func newWorld(ctx context.Context, dir string, seed uint64) (*world, error) {
	w := &world{dir: dir}
	l, err := newMadeLineage(chaosModel, seed)
	if err != nil {
		return nil, err
	}
	w.model = l.model
	if _, err := l.write(ctx, filepath.Join(dir, "originals"), chaosFitted+chaosSpare, func(int) {}); err != nil {
		return nil, err
	}
	if w.originals, err = filepath.Glob(filepath.Join(dir, "originals", "*")); err != nil {
		return nil, err
	}
	if _, err := w.program(ctx, append(w.learning("fit"), w.originals[:chaosFitted]...)...); err != nil {
		return nil, err
	}
	for _, o := range w.originals[:chaosFitted] {
		w.names.fitted = append(w.names.fitted, filepath.Base(o))
	}
	w.names.live, w.names.cut, w.names.aliases = numbered("live", chaosLive), numbered("cut", chaosCut), numbered("alias", chaosAliases)
	w.claims = newClaims(slices.Concat(w.names.fitted, w.names.live, w.names.cut, w.names.aliases))
	if w.images, err = loadImages("", 16, 16, chaosImages); err == nil {
		w.bodies, err = bodies(w.images)
	}
	if err != nil {
		return nil, err
	}
	if w.expected, err = newExpectations(filepath.Join(dir, "expected"), w.images); err != nil {
		return nil, err
	}
	return w, w.know()
}

func numbered(word string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%s-%d", word, i))
	}
	return out
}

// know takes what was fitted for acknowledged.
func (w *world) know() error {
	s, err := store.Open(w.store())
	if err != nil {
		return err
	}
	for _, e := range s.Variants() {
		if w.claims.names[e.Name] == nil {
			return fmt.Errorf("a fit has stored %s", e.Name)
		}
		if err := w.expectStored(e.Digest); err != nil {
			return err
		}
		w.claims.begin(e.Name, e.Digest).done(e.Digest, e.Version)
	}
	return nil
}

// expectStored reads a variant's file from the store and works out its answers.
func (w *world) expectStored(digest string) error {
	if w.expected.knows(digest) {
		return nil
	}
	file, err := os.ReadFile(filepath.Join(w.store(), "blobs", digest+".safetensors"))
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
	if err := w.expectBasis(v.Basis); err != nil {
		return err
	}
	return w.expected.add(file)
}

// expectBasis copies a basis that is new to the expectations.
func (w *world) expectBasis(digest string) error {
	b, err := w.expected.addBasis(digest, filepath.Join(w.store(), "blobs", digest+".safetensors"))
	if b != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.bases = append(w.bases, b)
	}
	return err
}

// make makes a variant's file that no other is like: other weights, and labels
// that are in no other's answers. It stands on the newest basis, or on one before.
func (w *world) make(r *rand.Rand, back int) ([]byte, error) {
	w.mu.Lock()
	b := w.bases[max(0, len(w.bases)-1-back)]
	w.mu.Unlock()
	tag := fmt.Sprintf("made-%08x", r.Uint32()) // so that no refit finds its original
	labels := made(3 + r.IntN(6))
	for i := range labels {
		labels[i] = tag + " " + labels[i]
	}
	_, file, err := chaosModel.make(b, w.model, tag, labels, r)
	if err == nil {
		err = w.expected.add(file)
	}
	return file, err
}

// learning are the arguments of a fit or a refit, which make the next basis.
func (w *world) learning(command string) []string {
	return []string{command, "--store", w.store(), "--family", chaosFamily, "--metric", "none", "--step", "1"}
}

// program runs this program to its end.
func (w *world) program(ctx context.Context, args ...string) ([]byte, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, exe, args...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		err = fmt.Errorf("%s: %s", args[0], strings.TrimSpace(string(failed.Stderr)))
	}
	return out, err
}

// expectations are the logits that each digest is to answer with, worked out by
// the reference from the files alone, in a store of their own.
type expectations struct {
	images [][]byte
	store  *store.Store
	eng    *runtime.Engine

	working sync.Mutex // held while something is worked out
	mu      sync.Mutex // guards known
	known   map[string]expected
	bases   map[string]bool // guarded by working
}

type expected struct {
	labels []string
	logits [][]float32 // by image
}

func newExpectations(dir string, images [][]byte) (*expectations, error) {
	s, err := store.Create(dir)
	if err != nil {
		return nil, err
	}
	eng, err := runtime.Open(s, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	return &expectations{images: images, store: s, eng: eng, known: map[string]expected{}, bases: map[string]bool{}}, err
}

func (e *expectations) knows(digest string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.known[digest]
	return ok
}

func (e *expectations) of(digest string) (expected, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.known[digest]
	return x, ok
}

// addBasis copies a basis, and gives it if it is new.
func (e *expectations) addBasis(digest, path string) (*store.Basis, error) {
	e.working.Lock()
	defer e.working.Unlock()
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
func (e *expectations) add(file []byte) error {
	digest := store.Digest(file)
	if e.knows(digest) {
		return nil
	}
	e.working.Lock()
	defer e.working.Unlock()
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
	e.known[digest] = expected{v.Labels, logits}
	return nil
}

// targetsValue writes an alias's targets as claims hold them.
func targetsValue(targets []runtime.Target) string {
	raw, err := json.Marshal(targets)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(raw)
}

func readTargets(value string) (out []runtime.Target) {
	if value != "" {
		_ = json.Unmarshal([]byte(value), &out)
	}
	return out
}
