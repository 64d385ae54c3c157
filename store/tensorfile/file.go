package tensorfile

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/edsrzf/mmap-go"
	"github.com/nlpodyssey/safetensors"
)

// File is a checked safetensors file, mapped or in memory. It may be read from
// many goroutines at once; Close must come after the last reader.
type File struct {
	Metadata map[string]string // the header's __metadata__, nil without one

	names   []string
	views   safetensors.SafeTensors
	size    int64
	mapping mmap.MMap // nil over bytes in memory
}

// Open maps the file read-only and checks its header; the tensors are paged in
// as they are read. Refusals wrap ErrHeader. The file must not be cut short
// while it is open: the system would end the process at the next read.
func Open(path string) (*File, error) {
	mapping, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("tensorfile: open %q: %w", path, err)
	}
	f, err := parse(mapping)
	if err != nil {
		return nil, fmt.Errorf("tensorfile: open %q: %w", path, errors.Join(err, mapping.Unmap()))
	}
	f.mapping = mapping
	return f, nil
}

// mapFile maps a regular file. Its kind is looked at before it is opened, since
// opening a pipe would wait for a writer.
func mapFile(path string) (mmap.MMap, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, bad("not a regular file")
	}
	if info.Size() < prefixLen { // an empty file cannot be mapped
		return nil, bad("the file has %d bytes, fewer than the %d that give the header's length", info.Size(), prefixLen)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping outlives it
	return mmap.Map(f, mmap.RDONLY, 0)
}

// Parse checks a file that is in memory, such as an upload, and reads from it
// without copying: data must stay as it is while the File is used.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("tensorfile: parse: %w", err)
	}
	return f, nil
}

func parse(data []byte) (*File, error) {
	h, err := checkHeader(data)
	if err != nil {
		return nil, err
	}
	views, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, bad("%v", err)
	}
	return &File{Metadata: h.metadata, names: h.names, views: views, size: int64(len(data))}, nil
}

// Names lists the tensors, sorted. The slice is the caller's own.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Size is the file's length in bytes, header and all.
func (f *File) Size() int64 { return f.size }

// Tensor looks one up by name. Its data is not copied.
func (f *File) Tensor(name string) (Tensor, bool) {
	view, ok := f.views.Tensor(name)
	if !ok {
		return Tensor{}, false
	}
	dims := view.Shape()
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d) // checkHeader has bounded it
	}
	return Tensor{DType: view.DType().String(), Shape: shape, Data: view.Data()}, true
}

// Close unmaps the file. No tensor out of it may be touched afterwards. Closing
// twice is harmless.
func (f *File) Close() error {
	f.views, f.names = safetensors.SafeTensors{}, nil
	if f.mapping == nil {
		return nil
	}
	err := f.mapping.Unmap()
	f.mapping = nil
	return err
}
