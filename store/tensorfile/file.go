package tensorfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/edsrzf/mmap-go"
	"github.com/nlpodyssey/safetensors"
)

// File is a checked safetensors file, mapped or in memory. Many goroutines may read it at
// once. Close must be called after the last of them is done.
type File struct {
	Metadata map[string]string // the header's __metadata__, nil if there is none

	names   []string
	views   safetensors.SafeTensors
	size    int64
	mapping mmap.MMap // nil for a file in memory
}

// Open maps a file read-only and checks its header. The tensors are paged in as they are
// read. The error for an invalid file wraps ErrHeader. The file must not be truncated while
// it is open: the system would end the process at the next read.
func Open(path string) (*File, error) {
	mapping, err := mapFile(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f, err := Parse(mapping)
	if err != nil {
		return nil, openError(path, errors.Join(err, mapping.Unmap()))
	}
	f.mapping = mapping
	return f, nil
}

// openError returns err with the path, which an error of the system has already.
func openError(path string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return fmt.Errorf("open %q: %w", path, err)
}

// mapFile maps a regular file. It looks at the kind of file before it opens it, since
// opening a pipe would wait for a writer.
func mapFile(path string) (mmap.MMap, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, headerError("not a regular file")
	}
	if info.Size() < prefixLen { // an empty file cannot be mapped
		return nil, headerError("the file has %d bytes, fewer than the %d of the header's length", info.Size(), prefixLen)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping outlives it
	return mmap.Map(f, mmap.RDONLY, 0)
}

// Parse checks a file in memory, such as an upload. The File shares data, which must not
// change while it is in use.
func Parse(data []byte) (*File, error) {
	h, err := checkHeader(data)
	if err != nil {
		return nil, err
	}
	views, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, headerError("%v", err)
	}
	return &File{Metadata: h.metadata, names: h.names, views: views, size: int64(len(data))}, nil
}

// Names returns the names of the tensors, sorted. The caller may change the slice.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Size returns the length of the file in bytes, with its header.
func (f *File) Size() int64 { return f.size }

// Tensor returns a tensor by name. Its Data is not a copy.
func (f *File) Tensor(name string) (Tensor, bool) {
	view, ok := f.views.Tensor(name)
	if !ok {
		return Tensor{}, false
	}
	dims := view.Shape()
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d) // within the limits of checkHeader
	}
	return Tensor{DType: view.DType().String(), Shape: shape, Data: view.Data()}, true
}

// Close unmaps the file. Its tensors must not be used afterwards. Closing twice is
// harmless.
func (f *File) Close() error {
	f.views, f.names = safetensors.SafeTensors{}, nil
	if f.mapping == nil {
		return nil
	}
	err := f.mapping.Unmap()
	f.mapping = nil
	return err
}
