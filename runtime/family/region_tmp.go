package family

import (
	"fmt"
	goruntime "runtime"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// region is anonymous memory outside the Go heap: it neither counts towards the
// collector's target, which would let garbage grow as large as the weights, nor
// fragments, and it goes back to the system when it is freed.
type region struct{ m mmap.MMap }

func newRegion(bytes int) (*region, error) {
	if bytes == 0 {
		return &region{}, nil
	}
	access := mmap.COPY // private, by its Unix meaning: RDWR would make it shared memory, which the kernel keeps as a file's
	if goruntime.GOOS == "windows" {
		access = mmap.RDWR
	}
	m, err := mmap.MapRegion(nil, bytes, access, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of memory: %w", bytes, err)
	}
	return &region{m}, nil
}

// floats views the whole region.
func (r *region) floats() []float32 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&r.m[0])), len(r.m)/4)
}

// halves views the whole region.
func (r *region) halves() []uint16 {
	if len(r.m) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&r.m[0])), len(r.m)/2)
}

func (r *region) bytes() int64 { return int64(len(r.m)) }

// free unmaps the region; nothing may use its slices any more.
func (r *region) free() error {
	if len(r.m) == 0 {
		return nil
	}
	return r.m.Unmap()
}
