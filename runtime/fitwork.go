package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"time"

	"eigenserve/store"
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// fitWork is what a fit has finished, kept in the store until all of it is: a fit
// that was cut off goes on where it was. A nil one keeps nothing.
type fitWork struct {
	store *store.Store
	kept  *store.Workspace
}

// open finds what a fit of the same inputs and options has left. Which they are
// is a digest of them: of the checkpoints' own digests, so that a file that has
// changed since makes it another fit.
func (w *fitWork) open(family string, layout store.Layout, sources []source, input []float32, o FitOptions) error {
	if w == nil {
		return nil
	}
	var names [][2]string
	for _, s := range sources {
		names = append(names, [2]string{s.digest, s.Name()})
	}
	slices.SortFunc(names, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	raw, err := json.Marshal(map[string]any{"version": 1, "family": family, "layout": layout, "sources": names,
		"config": string(sources[0].Config), "preprocessor": string(sources[0].Preprocessor),
		"rank": o.Rank, "mean": o.MeanType, "metric": o.Metric, "probes": digestOf(input)})
	if err != nil {
		return err
	}
	w.kept, err = w.store.Workspace(family, store.Digest(raw))
	return err
}

// digestOf is that of numbers.
func digestOf(v []float32) string {
	h := sha256.New()
	var chunk [4096]byte
	for len(v) > 0 {
		n := min(len(v), len(chunk)/4)
		for i, x := range v[:n] {
			bits := math.Float32bits(x)
			chunk[4*i], chunk[4*i+1], chunk[4*i+2], chunk[4*i+3] = byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24)
		}
		h.Write(chunk[:4*n])
		v = v[n:]
	}
	return hex.EncodeToString(h.Sum(nil))
}

// created is when the fit began: the basis is the same file however often it was
// cut off, so that variants stored before stand on it.
func (w *fitWork) created() (time.Time, error) {
	now := time.Now().UTC().Truncate(time.Second)
	if w == nil {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, w.kept.Note("began")); err == nil {
		return t, nil
	}
	return now, w.kept.PutNote("began", now.Format(time.RFC3339))
}

// layers keeps finished layers.
func (w *fitWork) layers() subspace.LayerCache {
	if w == nil {
		return nil
	}
	return w.kept
}

// stored tells whether an earlier run has stored a checkpoint as a variant, under
// the same demands on it.
func (w *fitWork) stored(eng *Engine, c *checkpoint.Checkpoint, demands string) (VariantInfo, bool) {
	if w == nil || w.kept.Note("stored-"+c.Name) != demands {
		return VariantInfo{}, false
	}
	d, err := eng.Variant(c.Name)
	digest, failed := c.Inspect()
	if err != nil || failed != nil || d.Provenance.Checkpoint != digest {
		return VariantInfo{}, false
	}
	f, _, err := eng.current(d.Family)
	if err != nil || f.basis.Digest != d.Basis {
		return VariantInfo{}, false
	}
	return d.VariantInfo, true
}

func (w *fitWork) noteStored(c *checkpoint.Checkpoint, demands string) error {
	if w == nil {
		return nil
	}
	return w.kept.PutNote("stored-"+c.Name, demands)
}

// putProbes stores a family's probes and names them; a fit that stores nothing
// names none.
func (w *fitWork) putProbes(p *store.Probes) (string, error) {
	if w == nil {
		return "", nil
	}
	return w.store.PutProbes(p)
}

// close leaves all for the same fit to go on, unless it is done.
func (w *fitWork) close() {
	if w.kept != nil {
		w.kept.Close()
	}
}

// done forgets all.
func (w *fitWork) done() error {
	if w == nil || w.kept == nil {
		return nil
	}
	return w.kept.Remove()
}
