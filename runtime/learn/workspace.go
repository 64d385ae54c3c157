package learn

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"time"

	"eigenserve/models/output"
	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// workspace keeps the finished parts of a fit in the store until the fit is complete, so
// that an interrupted fit can continue. A nil workspace keeps nothing.
type workspace struct {
	store *store.Store
	parts *store.Workspace // nil before open
}

// open opens the parts that an earlier run of the same fit left. A fit is identified by a
// digest of its inputs and options. The inputs enter by their own digests, so that a
// changed file makes another fit.
func (w *workspace) open(name string, layout store.Layout, sources []family.Source, input []float32, o Options) error {
	if w == nil {
		return nil
	}
	var names [][2]string
	for _, s := range sources {
		names = append(names, [2]string{s.Digest(), s.Name()})
	}
	slices.SortFunc(names, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	inputs := map[string]any{"version": 1, "family": name, "layout": layout, "sources": names,
		"config": string(sources[0].Config), "preprocessor": string(sources[0].Preprocessor),
		"rank": o.Rank, "mean": o.MeanType, "metric": o.Metric, "probes": digestOf(input)}
	problems, err := problemsOf(sources)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		inputs["problems"] = problems
	}
	raw, err := json.Marshal(inputs)
	if err != nil {
		return err
	}
	w.parts, err = w.store.Workspace(name, store.Digest(raw))
	return err
}

// problemsOf returns the problem_types of the sources by digest, without those that
// change nothing in a fit.
func problemsOf(sources []family.Source) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range sources {
		m, err := family.OpenModel(s.Checkpoint)
		if err != nil {
			return nil, err
		}
		if !output.SameProblem(m.ProblemType(), "") {
			out[s.Digest()] = m.ProblemType()
		}
	}
	return out, nil
}

// digestOf returns the SHA-256 of numbers, little-endian, in hexadecimal.
func digestOf(v []float32) string {
	h := sha256.New()
	var chunk [4096]byte
	for len(v) > 0 {
		n := min(len(v), len(chunk)/4)
		for i, x := range v[:n] {
			binary.LittleEndian.PutUint32(chunk[4*i:], math.Float32bits(x))
		}
		h.Write(chunk[:4*n])
		v = v[n:]
	}
	return hex.EncodeToString(h.Sum(nil))
}

// created returns the time at which the first run of the fit began. It is part of the
// basis, which later runs must make again bit for bit: variants may already refer to it.
func (w *workspace) created() (time.Time, error) {
	now := time.Now().UTC().Truncate(time.Second)
	if w == nil {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, w.parts.Note("began")); err == nil {
		return t, nil
	}
	return now, w.parts.PutNote("began", now.Format(time.RFC3339))
}

// layers returns the store of finished layers, nil if none are kept.
func (w *workspace) layers() subspace.LayerCache {
	if w == nil {
		return nil
	}
	return w.parts
}

// stored returns the entry of the variant that an earlier run stored for a checkpoint on
// the given basis with the same gate options, and reports whether there is one.
func (w *workspace) stored(basis string, c *checkpoint.Checkpoint, options string) (store.Entry, bool) {
	if w == nil || w.parts.Note("stored-"+c.Name) != options {
		return store.Entry{}, false
	}
	e, err := w.store.Entry(c.Name)
	if err != nil || e.Basis != basis {
		return store.Entry{}, false
	}
	v, err := w.store.ReadVariant(e.Digest)
	if err != nil {
		return store.Entry{}, false
	}
	digest, err := c.Inspect()
	return e, err == nil && v.Provenance.Checkpoint == digest
}

// noteStored records that a checkpoint was stored with the given gate options.
func (w *workspace) noteStored(c *checkpoint.Checkpoint, options string) error {
	if w == nil {
		return nil
	}
	return w.parts.PutNote("stored-"+c.Name, options)
}

// putProbes stores probes and returns their name, "" without a workspace.
func (w *workspace) putProbes(p *store.Probes) (string, error) {
	if w == nil {
		return "", nil
	}
	return w.store.PutProbes(p)
}

// close closes the workspace and keeps the parts for the next run.
func (w *workspace) close() {
	if w.parts != nil {
		w.parts.Close()
	}
}

// remove deletes the parts, once the fit is complete.
func (w *workspace) remove() error {
	if w == nil || w.parts == nil {
		return nil
	}
	return w.parts.Remove()
}
