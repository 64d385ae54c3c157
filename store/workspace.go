package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"eigenserve/store/durable"
	"eigenserve/store/tensorfile"
)

// fittings is the folder of fits that are under way, or were cut off.
const fittings = "fitting"

// Fitting is what a fit has finished, in a folder of the store:
//
//	fitting/<key>/layer-<i>.safetensors   a finished layer, as a basis of that alone
//	fitting/<key>/<name>.safetensors      other numbers
//	fitting/<key>/<name>.txt              notes
//	fitting/<key>/lock                    held by the fit as long as it is at work
//
// The key stands for the fit's inputs and options, so that the same fit finds it
// again after it was cut off and any other does not. Each of the numbers' files is
// written whole or not at all; one that can't be read counts as missing. Nothing in a store
// depends on it.
type Fitting struct {
	dir, family string
	lock        *flock.Flock
}

// Fitting opens the folder of a fit, and makes it if it is not there, until Close or
// Remove. The key is a digest. It fails with ErrLocked while the same fit is at work
// elsewhere.
func (s *Store) Fitting(family, key string) (*Fitting, error) {
	if !isDigest(key) {
		return nil, fmt.Errorf("store: fitting %q: %w: not a digest", key, ErrFormat)
	}
	dir := filepath.Join(s.dir, fittings, key)
	f := &Fitting{dir: dir, family: family, lock: flock.New(filepath.Join(dir, lockName))}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fittingPatience)
	defer cancel()
	_, err := f.lock.TryLockContext(ctx, 5*time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w, which fits the same now", ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("store: fit of %q: %w", family, err)
	}
	return f, nil
}

// fittingPatience is longer than anybody holds the lock who only looks.
const fittingPatience = time.Second

// Close leaves the folder for the same fit to go on.
func (f *Fitting) Close() error { return f.lock.Close() }

// atWork tells whether a fit holds a folder, as far as can be told.
func atWork(dir string) bool {
	path := filepath.Join(dir, lockName)
	if !exists(path) { // it was left before there were locks, or in its first moment
		return false
	}
	lock := flock.New(path)
	defer lock.Close()
	free, err := lock.TryLock()
	return err != nil || !free
}

func (f *Fitting) layer(i int) string {
	return filepath.Join(f.dir, fmt.Sprintf("layer-%04d.safetensors", i))
}

// HasLayer tells whether a layer was kept, without reading it.
func (f *Fitting) HasLayer(i int) bool { return exists(f.layer(i)) }

// Layer is a finished layer, or nil.
func (f *Fitting) Layer(i int) *BasisLayer {
	raw, err := os.ReadFile(f.layer(i))
	if err != nil {
		return nil
	}
	file, err := tensorfile.Parse(raw)
	if err != nil {
		return nil
	}
	b, err := DecodeBasis(file)
	if err != nil || len(b.Layers) != 1 {
		return nil
	}
	return &b.Layers[0]
}

// PutLayer keeps a finished layer.
func (f *Fitting) PutLayer(i int, l *BasisLayer) error {
	one := &Basis{Family: f.family, Config: []byte(`{}`), Metric: "none", Layers: []BasisLayer{*l}}
	if err := durable.Replace(f.layer(i), one.Encode); err != nil {
		return fmt.Errorf("store: keep layer %q: %w", l.Name, err)
	}
	return nil
}

// Has tells whether numbers of a name were kept, without reading them.
func (f *Fitting) Has(name string) bool { return exists(f.file(name, "safetensors")) }

// Numbers are those kept under a name, or nil.
func (f *Fitting) Numbers(name string) map[string][]float32 {
	raw, err := os.ReadFile(f.file(name, "safetensors"))
	if err != nil {
		return nil
	}
	file, err := tensorfile.Parse(raw)
	if err != nil {
		return nil
	}
	out := map[string][]float32{}
	for _, name := range file.Names() {
		t, _ := file.Tensor(name)
		v := make([]float32, t.Len())
		if t.Float32(v) != nil {
			return nil
		}
		out[name] = v
	}
	return out
}

// PutNumbers keeps numbers under a name.
func (f *Fitting) PutNumbers(name string, numbers map[string][]float32) error {
	tensors := map[string]tensorfile.Tensor{}
	for key, v := range numbers {
		tensors[key] = floats(v)
	}
	if err := tensorfile.WriteFile(f.file(name, "safetensors"), tensors, nil); err != nil {
		return fmt.Errorf("store: keep %q: %w", name, err)
	}
	return nil
}

// Note is the text kept under a name, or nothing.
func (f *Fitting) Note(name string) string {
	raw, _ := os.ReadFile(f.file(name, "txt"))
	return string(raw)
}

// PutNote keeps a text under a name. After a crash it may be cut short.
func (f *Fitting) PutNote(name, text string) error {
	if err := os.WriteFile(f.file(name, "txt"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("store: note %q: %w", name, err)
	}
	return nil
}

// DropNumbers removes numbers of a name, if there are any.
func (f *Fitting) DropNumbers(name string) error { return f.drop(name, "safetensors") }

// DropNote removes a note, if there is one.
func (f *Fitting) DropNote(name string) error { return f.drop(name, "txt") }

func (f *Fitting) drop(name, kind string) error {
	if err := os.Remove(f.file(name, kind)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store: drop %q: %w", name, err)
	}
	return nil
}

func (f *Fitting) file(name, kind string) string { return filepath.Join(f.dir, name+"."+kind) }

// Remove removes the folder once the fit has come to its end.
func (f *Fitting) Remove() error {
	f.Close()
	if err := os.RemoveAll(f.dir); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	os.Remove(filepath.Dir(f.dir)) // unless another fit is there
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
