// Package mem maps memory outside the Go heap.
package mem

import (
	"fmt"
	goruntime "runtime"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// Region is anonymous memory outside the Go heap: it neither counts towards the
// collector's target, which would let garbage grow as large as the weights, nor
// fragments, and it goes back to the system when it is freed.
type Region struct{ m mmap.MMap }

// NewRegion maps a region of memory.
func NewRegion(bytes int) (*Region, error) {
	if bytes == 0 {
		return &Region{}, nil
	}
	access := mmap.COPY // private, by its Unix meaning: RDWR would make it shared memory, which the kernel keeps as a file's
	if goruntime.GOOS == "windows" {
		access = mmap.RDWR
	}
	m, err := mmap.MapRegion(nil, bytes, access, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of memory: %w", bytes, err)
	}
	return &Region{m}, nil
}

// Floats views the whole region.
func (r *Region) Floats() []float32 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&r.m[0])), len(r.m)/4)
}

// Halves views the whole region.
func (r *Region) Halves() []uint16 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&r.m[0])), len(r.m)/2)
}

// Len returns the size of the region in bytes.
func (r *Region) Len() int { return len(r.m) }

// Free unmaps the region; nothing may use its slices any more.
func (r *Region) Free() error {
	if len(r.m) == 0 {
		return nil
	}
	return r.m.Unmap()
}
