package runtime

import (
	"errors"
	"math"
	"runtime/debug"
	"time"

	"golang.org/x/sync/semaphore"

	"eigenserve/models/image"
)

// Half a million bytes of a file can become half a billion of pixels.
const (
	// largeImage is from how many bytes on an image counts as large while it is decoded.
	largeImage = 32 << 20
	// largeImages is what all large ones take at once: several photographs, or one of
	// the largest that is taken.
	largeImages = 512 << 20
	// hugeImage is from how many bytes on it pays to collect an image at once.
	hugeImage = 128 << 20
)

// imageMemory bounds what large images take at once while they are decoded, and returns
// it to the system a moment after the last of them: it would else stay resident until
// much later.
type imageMemory struct {
	large *semaphore.Weighted // bytes
	free  *time.Timer
}

func newImageMemory() *imageMemory {
	return &imageMemory{semaphore.NewWeighted(largeImages), time.AfterFunc(math.MaxInt64, debug.FreeOSMemory)}
}

func (d *imageMemory) close() { d.free.Stop() }

// decoding makes an image file into one input.
func decoding(spec image.Spec, image []byte) inputOpener {
	return func() (int64, inputDecoder, error) {
		encoded, err := spec.Open(image)
		if err != nil {
			return 0, nil, imageError(err)
		}
		return min(encoded.Bytes(), largeImages), func(pixels []float32) error {
			img, err := encoded.Decode()
			if err != nil {
				return imageError(err)
			}
			if err := spec.Fill(pixels, img); err != nil {
				return &Error{Code: Invalid, Text: err.Error(), Err: err}
			}
			return nil
		}, nil
	}
}

// release ends the decoding of an image, which nothing refers to any more.
func (d *imageMemory) release(n int64) {
	if n < largeImage {
		return
	}
	if n >= hugeImage {
		debug.FreeOSMemory() // before the next one takes as much
	}
	d.large.Release(n)
	d.free.Reset(time.Second)
}

func imageError(err error) error {
	code := Unsupported
	if errors.Is(err, image.ErrTooLarge) {
		code = TooLarge
	}
	return &Error{Code: code, Text: err.Error(), Err: err}
}
