// Package checkpoint reads checkpoints of vision transformers from a folder in the layout
// of Hugging Face, or from the same files uploaded. Tensors written by transformers 4 or 5,
// timm or torchvision all get the names of transformers 4, and the configuration is that of
// transformers too.
//
// No tensor is ignored silently: it is used, or its name is known to be of no use, or an
// error names it. Which tensors an architecture needs is up to the caller of Check, and so
// is the meaning of the configuration.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"eigenserve/store/tensorfile"
)

var (
	// ErrPickle marks weights in PyTorch's pickle format, which runs code when it is
	// read.
	ErrPickle = errors.New("weights in pickle format are not read")
	// ErrWeights marks missing weights, or shards that do not fit their index. The error
	// for an invalid file wraps tensorfile.ErrHeader.
	ErrWeights = errors.New("no valid weights")
	// ErrTensors marks tensors that have no names in a plain vision transformer.
	ErrTensors = errors.New("not the tensors of a plain vision transformer")
	// ErrConfig marks a config.json that is missing, unreadable or incomplete.
	ErrConfig = errors.New("unusable configuration")
)

// Checkpoint is an open checkpoint. Many goroutines may read it at once. Close must be
// called after the last of them is done.
type Checkpoint struct {
	Name         string // NameOf its folder, unless the caller changes it
	Config       []byte // config.json of a Hugging Face ViT, translated if necessary
	Preprocessor []byte // preprocessor_config.json, or nil

	files   []*tensorfile.File
	tensors map[string]tensorfile.Tensor // by canonical name
	names   []string                     // sorted

	inspectMu sync.Mutex // guards inspected; held during an inspection
	inspected string     // the digest of the weights once they were found finite
}

// Open opens the checkpoint in a folder: config.json, preprocessor_config.json if there is
// one, and model.safetensors or the shards that model.safetensors.index.json names. It maps
// the weights and does not read them.
func Open(dir string) (*Checkpoint, error) {
	c, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %q: %w", dir, err)
	}
	return c, nil
}

func open(dir string) (*Checkpoint, error) {
	files, err := openWeights(dir)
	if err != nil {
		return nil, err
	}
	c, err := readConfigs(files, dir)
	if err != nil {
		return nil, errors.Join(err, closeAll(files))
	}
	return c, nil
}

// readConfigs reads the configurations and makes a checkpoint of them and the weights. If it
// fails, the caller closes the files.
func readConfigs(files []*tensorfile.File, dir string) (*Checkpoint, error) {
	config, err := readFile(dir, "config.json")
	if err != nil {
		return nil, err
	}
	preprocessor, err := readFile(dir, "preprocessor_config.json")
	if err != nil {
		return nil, err
	}
	return assemble(NameOf(dir), config, preprocessor, files)
}

// FromFiles returns a checkpoint of uploaded files. preprocessor may be nil. Closing the
// checkpoint closes model. If FromFiles fails, the caller still has to close it.
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
	return c, c.normalizeConfig(library)
}

// Names returns the canonical names of the tensors, sorted. The caller may change the slice.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Tensor returns a tensor by canonical name. Its Data is not a copy and must not be used
// after Close. If a file stacks query, key and value, each of the three is a part of the
// rows of the stack.
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

// Bytes returns the size of the tensors as stored, without those of no use.
func (c *Checkpoint) Bytes() int64 {
	var n int64
	for _, t := range c.tensors {
		n += int64(len(t.Data))
	}
	return n
}

// RebuiltKey is a key in the metadata of a weights file. Its value is the digest of the
// variant that the weights were rebuilt from.
const RebuiltKey = "eigenserve.rebuilt"

// Rebuilt returns the digest of the variant that the checkpoint was rebuilt from, or "" if
// it is an original.
func (c *Checkpoint) Rebuilt() string {
	for _, f := range c.files {
		if digest := f.Metadata[RebuiltKey]; digest != "" {
			return digest
		}
	}
	return ""
}

// Encode writes the tensors as one safetensors file, by canonical name. Together with Config
// and Preprocessor it is the same checkpoint.
func (c *Checkpoint) Encode(w io.Writer) error {
	var metadata map[string]string
	if digest := c.Rebuilt(); digest != "" {
		metadata = map[string]string{RebuiltKey: digest}
	}
	return tensorfile.Encode(w, c.tensors, metadata)
}

// Close unmaps the weights. The tensors must not be used afterwards. Closing twice is
// harmless.
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
