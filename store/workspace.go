package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"eigenserve/store/backend"
	"eigenserve/store/tensorfile"
)

// workspaceDir is the directory of the fits that are under way, or were cut off.
const workspaceDir = "fitting"

// Workspace holds what a fit has finished, in a directory of the store:
//
//	fitting/<key>/layer-<i>.safetensors   a finished layer, as a basis with that layer alone
//	fitting/<key>/<name>.safetensors      other numbers
//	fitting/<key>/<name>.txt              notes
//	fitting/<key>/lock                    held while the fit is at work
//
// The key is a digest of the fit's inputs and options, so the same fit finds its
// workspace again after it was cut off, and no other fit does. Every file is written
// whole or not at all. One that cannot be read counts as missing. Nothing else in a
// store depends on a workspace.
type Workspace struct {
	files       backend.Backend
	lock        backend.Lock
	dir, family string
}

// workspacePatience is how long Workspace waits for the lock: longer than anybody holds
// it just to look.
const workspacePatience = time.Second

// Workspace opens the workspace of a fit until Close or Remove, and makes it if there
// is none. The key is a digest. It fails with ErrLocked while the same fit is at work
// elsewhere.
func (s *Store) Workspace(family, key string) (*Workspace, error) {
	if !isDigest(key) {
		return nil, fmt.Errorf("workspace %q: %w: not a digest", key, ErrFormat)
	}
	dir := workspaceDir + "/" + key
	lock, err := s.files.Lock(dir, workspacePatience)
	if errors.Is(err, ErrLocked) {
		err = fmt.Errorf("%w, which is running the same fit", ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("fit of %q: %w", family, err)
	}
	return &Workspace{files: s.files, lock: lock, dir: dir, family: family}, nil
}

// Close releases the workspace and leaves its files for the same fit to resume.
func (w *Workspace) Close() error { return w.lock.Unlock() }

// Remove removes the workspace. It is called when the fit is complete.
func (w *Workspace) Remove() error {
	if err := w.lock.Discard(w.dir); err != nil {
		return err
	}
	return nil
}

func layerName(i int) string { return fmt.Sprintf("layer-%04d", i) }

// HasLayer reports whether layer i is stored, without reading it.
func (w *Workspace) HasLayer(i int) bool { return w.Has(layerName(i)) }

// Layer returns the finished layer i, or nil if it is not stored.
func (w *Workspace) Layer(i int) *BasisLayer {
	file := w.read(layerName(i))
	if file == nil {
		return nil
	}
	b, err := DecodeBasis(file)
	if err != nil || len(b.Layers) != 1 {
		return nil
	}
	return &b.Layers[0]
}

// PutLayer stores the finished layer i.
func (w *Workspace) PutLayer(i int, l *BasisLayer) error {
	one := &Basis{Family: w.family, Config: []byte(`{}`), Metric: "none", Layers: []BasisLayer{*l}}
	if err := w.lock.Put(w.file(layerName(i), "safetensors"), one.Encode); err != nil {
		return fmt.Errorf("put layer %q: %w", l.Name, err)
	}
	return nil
}

// Has reports whether numbers are stored under a name, without reading them.
func (w *Workspace) Has(name string) bool {
	_, err := fs.Stat(w.files, w.file(name, "safetensors"))
	return err == nil
}

// Numbers returns the numbers stored under a name, or nil if there are none.
func (w *Workspace) Numbers(name string) map[string][]float32 {
	file := w.read(name)
	if file == nil {
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

// PutNumbers stores numbers under a name.
func (w *Workspace) PutNumbers(name string, numbers map[string][]float32) error {
	tensors := map[string]tensorfile.Tensor{}
	for key, v := range numbers {
		tensors[key] = floats(v)
	}
	err := w.lock.Put(w.file(name, "safetensors"), func(w io.Writer) error { return tensorfile.Encode(w, tensors, nil) })
	if err != nil {
		return fmt.Errorf("put %q: %w", name, err)
	}
	return nil
}

// DeleteNumbers removes the numbers stored under a name, if there are any.
func (w *Workspace) DeleteNumbers(name string) error { return w.delete(name, "safetensors") }

// Note returns the text stored under a name, or "" if there is none.
func (w *Workspace) Note(name string) string {
	raw, _ := fs.ReadFile(w.files, w.file(name, "txt"))
	return string(raw)
}

// PutNote stores a text under a name.
func (w *Workspace) PutNote(name, text string) error {
	err := w.lock.Put(w.file(name, "txt"), func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("put note %q: %w", name, err)
	}
	return nil
}

// DeleteNote removes the text stored under a name, if there is one.
func (w *Workspace) DeleteNote(name string) error { return w.delete(name, "txt") }

// read returns the tensors stored under a name, or nil if they cannot be read.
func (w *Workspace) read(name string) *tensorfile.File {
	raw, err := fs.ReadFile(w.files, w.file(name, "safetensors"))
	if err != nil {
		return nil
	}
	file, err := tensorfile.Parse(raw)
	if err != nil {
		return nil
	}
	return file
}

func (w *Workspace) delete(name, kind string) error {
	if err := w.lock.Discard(w.file(name, kind)); err != nil {
		return fmt.Errorf("delete %q: %w", name, err)
	}
	return nil
}

func (w *Workspace) file(name, kind string) string { return w.dir + "/" + name + "." + kind }
