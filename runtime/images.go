package runtime

import (
	"errors"
	"math"
	"runtime/debug"
	"time"

	"golang.org/x/sync/semaphore"

	"eigenserve/models/image"
	"eigenserve/runtime/fault"
)

// Half a million bytes of a file can become half a billion bytes of pixels.
const (
	// largeImage is the size in bytes, decoded, from which an image counts as large.
	largeImage = 32 << 20
	// largeImages is how many bytes all large images may take at once: several photographs,
	// or one of the largest size that is accepted.
	largeImages = 512 << 20
	// hugeImage is the size from which it pays to collect an image at once.
	hugeImage = 128 << 20
)

// imageMemory limits the memory of large images while they are decoded, and returns it to
// the system a moment after the last one. Otherwise it would stay resident for long.
type imageMemory struct {
	large *semaphore.Weighted // bytes
	free  *time.Timer
}

func newImageMemory() *imageMemory {
	return &imageMemory{semaphore.NewWeighted(largeImages), time.AfterFunc(math.MaxInt64, debug.FreeOSMemory)}
}

func (m *imageMemory) close() { m.free.Stop() }

// release frees the memory of a decoded image that nothing refers to any more.
func (m *imageMemory) release(n int64) {
	if n < largeImage {
		return
	}
	if n >= hugeImage {
		debug.FreeOSMemory() // before the next one takes as much
	}
	m.large.Release(n)
	m.free.Reset(time.Second)
}

// decoding returns what turns an image file into an input.
func decoding(spec image.Spec, file []byte) inputOpener {
	return func() (int64, inputDecoder, error) {
		encoded, err := spec.Open(file)
		if err != nil {
			return 0, nil, imageError(err)
		}
		return min(encoded.Bytes(), largeImages), func(pixels []float32) error {
			img, err := encoded.Decode()
			if err != nil {
				return imageError(err)
			}
			if err := spec.Fill(pixels, img); err != nil {
				return fault.With(Invalid, err)
			}
			return nil
		}, nil
	}
}

func imageError(err error) error {
	if errors.Is(err, image.ErrTooLarge) {
		return fault.With(TooLarge, err)
	}
	return fault.With(Unsupported, err)
}
