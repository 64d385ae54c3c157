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

// The size of an environment.
const (
	familyName       = "chaos"
	fittedModels     = 5 // moved by refits
	spareCheckpoints = 2 // uploaded, never fitted
	liveModels       = 6 // added, replaced and deleted by clients
	abortedModels    = 2 // names whose uploads are aborted
	aliasCount       = 3
	imageCount       = 4
)

// modelSpec is a small model: faults show under many writes and answers, not under
// large ones.
var modelSpec = synth.Spec{Name: "chaos", Density: 0.1, Config: `{"model_type":"vit","hidden_size":32,"num_hidden_layers":2,` +
	`"num_attention_heads":2,"intermediate_size":64,"image_size":16,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f"}}`}

// environment is a store, a server of it, and what both must answer.
type environment struct {
	dir       string // of all files of the run
	originals []string
	images    [][]byte
	requests  [][]byte // for the logits of images
	server    supervisor
	history   *history
	reference *reference
	names     struct{ fitted, live, aborted, aliases []string }
	model     models.Model

	mu    sync.Mutex     // guards bases
	bases []*store.Basis // the newest last
}

func (e *environment) storeDir() string { return filepath.Join(e.dir, "store") }

// newEnvironment makes checkpoints, fits a store of them, and records what it holds.
func newEnvironment(ctx context.Context, dir string, seed uint64) (*environment, error) {
	e := &environment{dir: dir}
	l, err := synth.NewLineage(modelSpec, seed)
	if err != nil {
		return nil, err
	}
	e.model = l.Model
	if _, err := l.Write(ctx, filepath.Join(dir, "originals"), fittedModels+spareCheckpoints, func(int) {}); err != nil {
		return nil, err
	}
	if e.originals, err = filepath.Glob(filepath.Join(dir, "originals", "*")); err != nil {
		return nil, err
	}
	if _, err := process.Run(ctx, append(e.learnArgs("fit"), e.originals[:fittedModels]...)...); err != nil {
		return nil, err
	}
	for _, o := range e.originals[:fittedModels] {
		e.names.fitted = append(e.names.fitted, filepath.Base(o))
	}
	e.names.live, e.names.aborted, e.names.aliases = numbered("live", liveModels), numbered("cut", abortedModels), numbered("alias", aliasCount)
	e.history = newHistory(slices.Concat(e.names.fitted, e.names.live, e.names.aborted, e.names.aliases))
	if e.images, err = synth.Images(16, 16, imageCount); err != nil {
		return nil, err
	}
	if e.requests, err = load.LogitRequests(e.images); err != nil {
		return nil, err
	}
	if e.reference, err = newReference(filepath.Join(dir, "expected"), e.images); err != nil {
		return nil, err
	}
	return e, e.recordFitted()
}

func numbered(word string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%s-%d", word, i))
	}
	return out
}

// recordFitted records the variants that fit has stored as acknowledged.
func (e *environment) recordFitted() error {
	s, err := store.Open(e.storeDir())
	if err != nil {
		return err
	}
	for _, entry := range s.Variants() {
		if e.history.registers[entry.Name] == nil {
			return fmt.Errorf("fit stored an unexpected model %s", entry.Name)
		}
		if err := e.addStored(entry.Digest); err != nil {
			return err
		}
		e.history.begin(entry.Name, entry.Digest).commit(entry.Digest, entry.Version)
	}
	return nil
}

// addStored adds a variant in the store to the reference.
func (e *environment) addStored(digest string) error {
	if e.reference.has(digest) {
		return nil
	}
	file, err := os.ReadFile(filepath.Join(e.storeDir(), "blobs", digest+".safetensors"))
	if err != nil {
		return err
	}
	if actual := store.Digest(file); actual != digest {
		return fmt.Errorf("the file of %.12s has digest %.12s", digest, actual)
	}
	v, err := store.ParseVariant(file)
	if err != nil {
		return err
	}
	if err := e.addBasis(v.Basis); err != nil {
		return err
	}
	return e.reference.add(file)
}

// addBasis adds a basis in the store to the reference, if it is new.
func (e *environment) addBasis(digest string) error {
	b, err := e.reference.addBasis(digest, filepath.Join(e.storeDir(), "blobs", digest+".safetensors"))
	if b != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.bases = append(e.bases, b)
	}
	return err
}

// makeVariant returns the file of a new variant, whose weights and labels no other has.
// Its basis is the newest, or one of those before.
func (e *environment) makeVariant(r *rand.Rand, back int) ([]byte, error) {
	e.mu.Lock()
	b := e.bases[max(0, len(e.bases)-1-back)]
	e.mu.Unlock()
	name := fmt.Sprintf("made-%08x", r.Uint32()) // no refit finds an original of it
	labels := synth.LabelNames(3 + r.IntN(6))
	for i := range labels {
		labels[i] = name + " " + labels[i]
	}
	_, file, err := modelSpec.Make(b, e.model, name, labels, r)
	if err == nil {
		err = e.reference.add(file)
	}
	return file, err
}

// learnArgs returns the arguments of a fit or a refit, without checkpoints.
func (e *environment) learnArgs(command string) []string {
	return []string{command, "--store", e.storeDir(), "--family", familyName, "--metric", "none", "--step", "1"}
}

// formatTargets returns an alias's targets as a value of the history.
func formatTargets(targets []runtime.Target) string {
	raw, err := json.Marshal(targets)
	if err != nil {
		panic(err) // cannot happen: strings and numbers
	}
	return string(raw)
}

// parseTargets returns the targets in a value of the history.
func parseTargets(value string) (out []runtime.Target) {
	if value != "" {
		_ = json.Unmarshal([]byte(value), &out)
	}
	return out
}
