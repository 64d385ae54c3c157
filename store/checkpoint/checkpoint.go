// Package checkpoint reads other people's checkpoints of vision transformers: a
// folder as Hugging Face saves it, or the same files uploaded. Whichever library
// wrote the tensors, transformers 4 or 5, timm or torchvision, they appear under
// the names of transformers 4, beside a config.json as transformers writes it.
//
// Nothing is skipped in silence: a tensor is used, or known by name to be of no
// use, or named in an error. Which tensors an architecture wants, and what the
// configuration means, is not decided here: see Check.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"eigenserve/store/tensorfile"
)

var (
	// ErrPickle is wrapped when the weights are in PyTorch's pickle format,
	// which runs code when it is read.
	ErrPickle = errors.New("weights in pickle format are not read")
	// ErrWeights is wrapped when there are no weights, or shards do not fit
	// their index. A file that is itself unsound wraps tensorfile.ErrHeader.
	ErrWeights = errors.New("no sound weights")
	// ErrTensors is wrapped when tensors cannot be brought under the names of a
	// plain vision transformer.
	ErrTensors = errors.New("not the tensors of a plain vision transformer")
	// ErrConfig is wrapped when config.json is missing, unreadable or does not
	// say what is needed.
	ErrConfig = errors.New("unusable configuration")
)

// Checkpoint is one open checkpoint. It may be read from many goroutines at
// once; Close must come after the last reader.
type Checkpoint struct {
	Name         string // the folder's base name
	Config       []byte // config.json of a Hugging Face ViT, translated if need be
	Preprocessor []byte // preprocessor_config.json, nil where there is none

	files   []*tensorfile.File
	tensors map[string]tensorfile.Tensor // by canonical name
	names   []string                     // sorted

	inspecting sync.Mutex // guards inspected, and is held while it is found
	inspected  string     // the digest of weights that were found finite
}

// Open reads the checkpoint in a folder: config.json, preprocessor_config.json
// if it is there, and model.safetensors or the shards that
// model.safetensors.index.json names. The weights are mapped, not read.
func Open(dir string) (*Checkpoint, error) {
	c, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %q: %w", dir, err)
	}
	return c, nil
}

func open(dir string) (*Checkpoint, error) {
	absolute, err := filepath.Abs(dir) // so that "." has a name too
	if err != nil {
		return nil, err
	}
	files, err := openWeights(dir)
	if err != nil {
		return nil, err
	}
	c, err := openAround(files, dir, filepath.Base(absolute))
	if err != nil {
		return nil, errors.Join(err, closeAll(files))
	}
	return c, nil
}

// openAround reads what lies beside the weights. The caller closes the files if
// it fails.
func openAround(files []*tensorfile.File, dir, name string) (*Checkpoint, error) {
	config, err := readFile(dir, "config.json")
	if err != nil {
		return nil, err
	}
	preprocessor, err := readFile(dir, "preprocessor_config.json")
	if err != nil {
		return nil, err
	}
	return assemble(name, config, preprocessor, files)
}

// FromFiles makes a checkpoint of files that were uploaded; preprocessor may be
// nil. The checkpoint's Close closes the model, unless FromFiles fails: then it
// stays the caller's to close.
func FromFiles(name string, config, preprocessor []byte, model *tensorfile.File) (*Checkpoint, error) {
	c, err := assemble(name, config, preprocessor, []*tensorfile.File{model})
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %q: %w", name, err)
	}
	return c, nil
}

func assemble(name string, config, preprocessor []byte, files []*tensorfile.File) (*Checkpoint, error) {
	library := libraryOf(files)
	tensors, err := library.bind(files)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{
		Name: name, Config: config, Preprocessor: preprocessor,
		files: files, tensors: tensors, names: slices.Sorted(maps.Keys(tensors)),
	}
	return c, c.settleConfig(library)
}

// Names lists the tensors by canonical name, sorted. The slice is the caller's
// own.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Tensor looks one up by canonical name. Its data is not copied, and is gone
// once the checkpoint is closed. Where the file stacks query, key and value,
// each of the three is its rows of the stack.
func (c *Checkpoint) Tensor(name string) (tensorfile.Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Prefetch asks the system to read a tensor into memory, because it will be needed soon.
func (c *Checkpoint) Prefetch(name string) {
	for _, f := range c.files {
		f.Prefetch(c.tensors[name])
	}
}

// Evict frees the memory that a tensor was read into. The tensor can still be read.
func (c *Checkpoint) Evict(name string) {
	for _, f := range c.files {
		f.Evict(c.tensors[name])
	}
}

// Bytes is the size of the tensors as they came, without those that serve
// nothing.
func (c *Checkpoint) Bytes() int64 {
	var n int64
	for _, t := range c.tensors {
		n += int64(len(t.Data))
	}
	return n
}

// RebuiltKey is the key of a weights file's metadata under which a checkpoint that
// was rebuilt from coefficients names the variant that it was rebuilt from.
const RebuiltKey = "eigenserve.rebuilt"

// Rebuilt gives the digest of the variant that the checkpoint was rebuilt from;
// "" of an original.
func (c *Checkpoint) Rebuilt() string {
	for _, f := range c.files {
		if digest := f.Metadata[RebuiltKey]; digest != "" {
			return digest
		}
	}
	return ""
}

// Encode writes the tensors that serve as one safetensors file, by canonical name. With
// Config and Preprocessor beside it, it is the same checkpoint.
func (c *Checkpoint) Encode(w io.Writer) error {
	var metadata map[string]string
	if digest := c.Rebuilt(); digest != "" {
		metadata = map[string]string{RebuiltKey: digest}
	}
	return tensorfile.Encode(w, c.tensors, metadata)
}

// Close unmaps the weights. No tensor may be touched afterwards. Closing twice
// is harmless.
func (c *Checkpoint) Close() error {
	c.tensors, c.names = nil, nil
	return closeAll(c.files)
}

func closeAll(files []*tensorfile.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
