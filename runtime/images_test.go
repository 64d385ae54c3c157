package runtime

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"sync"
	"testing"
	"time"
)

// Large images that wait for memory don't delay small ones, and stop waiting when their
// request ends.
func TestLargeImagesWaitForMemory(t *testing.T) {
	eng := tinyEngine(t, Options{})
	var large bytes.Buffer
	must(png.Encode(&large, image.NewGray(image.Rect(0, 0, 3000, 3000))))
	must(eng.images.large.Acquire(context.Background(), largeImages)) // as if another was being decoded
	ctx, cancel := context.WithCancel(context.Background())
	var requests sync.WaitGroup
	n := 2 * cap(eng.preparing)
	for range n {
		requests.Go(func() {
			if _, err := eng.Classify(ctx, "m0", large.Bytes(), ClassifyOptions{}); err != context.Canceled {
				t.Errorf("canceled: %v, want context.Canceled", err)
			}
		})
	}
	eventually(t, "all requests wait", func() bool { return eng.Counters().Waiting == int64(n) })
	classify(t, eng, "m1", picture(1, 8, 8))
	short, end := context.WithTimeout(context.Background(), time.Millisecond)
	if _, err := eng.Classify(short, "m0", large.Bytes(), ClassifyOptions{}); codeOf(err) != Deadline && codeOf(err) != Overloaded {
		t.Errorf("past its deadline: %v, want code Deadline or Overloaded", err)
	}
	end()
	cancel()
	requests.Wait()
	eng.images.release(largeImages)
	classify(t, eng, "m0", large.Bytes())
}
