// Package mem allocates memory outside the Go heap, for data that is large and lives
// long: packed bases and rebuilt weights. It maps and unmaps whole regions. What is
// counted, shared or recycled is up to its callers; it is not an allocator of small
// objects.
package mem

import (
	"fmt"
	goruntime "runtime"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// Region is anonymous memory outside the Go heap. It does not count towards the
// garbage collector's target, which would let garbage grow as large as the weights.
// It does not fragment, and Free returns it to the system at once.
//
// A Region does no locking of its own.
type Region struct{ m mmap.MMap }

// NewRegion maps a region of zeroed memory of the given size. A region of 0 bytes is
// valid and has nil views.
func NewRegion(bytes int) (*Region, error) {
	if bytes == 0 {
		return &Region{}, nil
	}
	// On Unix COPY means private memory. RDWR would mean shared memory, which the
	// kernel accounts as a file's.
	access := mmap.COPY
	if goruntime.GOOS == "windows" {
		access = mmap.RDWR
	}
	m, err := mmap.MapRegion(nil, bytes, access, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of memory: %w", bytes, err)
	}
	return &Region{m}, nil
}

// Len returns the size of the region in bytes, 0 after Free.
func (r *Region) Len() int { return len(r.m) }

// Floats returns the region as 32-bit floats. The slice is valid until Free.
func (r *Region) Floats() []float32 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&r.m[0])), len(r.m)/4)
}

// Halves returns the region as 16-bit values. The slice is valid until Free.
func (r *Region) Halves() []uint16 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&r.m[0])), len(r.m)/2)
}

// Free unmaps the region. Its views must not be used afterwards. Freeing a region
// again does nothing.
func (r *Region) Free() error {
	if len(r.m) == 0 {
		return nil
	}
	return r.m.Unmap()
}
