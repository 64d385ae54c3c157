package runtime

import (
	"bytes"
	"context"
	"image"
	"image/png"
	goruntime "runtime"
	"sync"
	"testing"
	"time"
)

// Large images that wait for memory keep no small one waiting, and no longer than
// whoever asked does.
func TestLargeImagesWaitForMemory(t *testing.T) {
	eng := tinyEngine(t, Options{})
	var large bytes.Buffer
	must(png.Encode(&large, image.NewGray(image.Rect(0, 0, 3000, 3000))))
	must(eng.images.large.Acquire(context.Background(), largeImages)) // another is being decoded
	ctx, cancel := context.WithCancel(context.Background())
	var waits sync.WaitGroup
	for range 2 * goruntime.GOMAXPROCS(0) {
		waits.Go(func() {
			if _, err := eng.Classify(ctx, "m0", large.Bytes(), ClassifyOptions{}); err != context.Canceled {
				t.Errorf("given up: %v", err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return eng.Counters().Waiting == int64(2*goruntime.GOMAXPROCS(0)) })
	classify(t, eng, "m1", picture(1, 8, 8))
	short, end := context.WithTimeout(context.Background(), time.Millisecond)
	if _, err := eng.Classify(short, "m0", large.Bytes(), ClassifyOptions{}); codeOf(err) != Deadline && codeOf(err) != Overloaded {
		t.Errorf("past its deadline: %v", err)
	}
	end()
	cancel()
	waits.Wait()
	eng.images.release(largeImages)
	classify(t, eng, "m0", large.Bytes())
}
