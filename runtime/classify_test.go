package runtime

import (
	"bytes"
	"context"
	"eigenserve/runtime/internal/testfamily"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"math"
	"slices"
	"sync"
	"testing"
)

func TestClassifyAnswersAsRebuiltTensors(t *testing.T) {
	eng := tinyEngine(t, Options{})
	m := testfamily.Model()
	for _, e := range eng.store.Variants() {
		v, tensors := rebuiltTensors(t, eng.store, e.Digest)
		for seed, size := range [][2]int{{8, 8}, {20, 31}, {3, 5}} {
			file := picture(uint64(seed), size[0], size[1])
			want := testfamily.DenseLogits(t, m, tensors, len(v.Labels), file)
			a, got := classify(t, eng, e.Name, file)
			if a.Variant != e.Name || a.Digest != e.Digest || a.Basis != e.Basis {
				t.Errorf("%s is answered by %s@%s on basis %s, want %s on %s", e.Name, a.Variant, a.Digest, a.Basis, e.Digest, e.Basis)
			}
			if len(got) != len(v.Labels) {
				t.Errorf("%s answers %d scores for %d labels", e.Name, len(got), len(v.Labels))
			}
			for i, label := range v.Labels {
				if d := math.Abs(got[label] - float64(want[i])); !(d < 1e-4) {
					t.Errorf("%s, image %d: %q scores %g, want %g", e.Name, seed, label, got[label], want[i])
				}
			}
		}
	}
}

// Tests that compare answers of several variants rely on it.
func TestVariantsDifferInTheirAnswers(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := picture(1, 8, 8)
	seen := map[float64]string{}
	for _, e := range eng.store.Variants() {
		a, _ := classify(t, eng, e.Name, file)
		if other := seen[a.Scores[0].Score]; other != "" {
			t.Errorf("%s answers as %s", e.Name, other)
		}
		seen[a.Scores[0].Score] = e.Name
	}
}

func TestScores(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := picture(1, 8, 8)
	scores := func(o ClassifyOptions) []Score {
		a, err := eng.Classify(context.Background(), "m2", file, o) // five labels
		if err != nil {
			t.Fatal(err)
		}
		return a.Scores
	}
	logits, softmax, sigmoid := scores(ClassifyOptions{Function: "none"}), scores(ClassifyOptions{}), scores(ClassifyOptions{Function: "sigmoid"})
	if len(logits) != 5 || !slices.IsSortedFunc(logits, func(a, b Score) int {
		if a.Score > b.Score {
			return -1
		}
		return 1
	}) {
		t.Errorf("logits %v, want all 5 labels, the best first", logits)
	}
	sum, total := 0.0, 0.0
	for _, s := range logits {
		total += math.Exp(s.Score)
	}
	for i := range logits {
		sum += softmax[i].Score
		if softmax[i].Label != logits[i].Label || sigmoid[i].Label != logits[i].Label {
			t.Errorf("place %d has %v as logit, %v under softmax and %v under sigmoid", i, logits[i], softmax[i], sigmoid[i])
		}
		if d := softmax[i].Score - math.Exp(logits[i].Score)/total; math.Abs(d) > 1e-6 {
			t.Errorf("the softmax of place %d is off by %g", i, d)
		}
		if d := sigmoid[i].Score - 1/(1+math.Exp(-logits[i].Score)); math.Abs(d) > 1e-6 {
			t.Errorf("the sigmoid of place %d is off by %g", i, d)
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		t.Errorf("the softmax adds up to %g", sum)
	}
	for k, want := range map[int]int{0: 5, 1: 1, 3: 3, 5: 5, 99: 5, -1: 5} {
		if got := scores(ClassifyOptions{TopK: k}); len(got) != want || got[0] != softmax[0] {
			t.Errorf("the top %d are %v, want %d", k, got, want)
		}
	}
}

func TestEqualScoresKeepLabelOrder(t *testing.T) {
	got := best([]float32{1, 2, 1, 2}, []string{"a", "b", "c", "d"}, 3)
	if want := []Score{{"b", 2}, {"d", 2}, {"a", 1}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestClassifyRefuses(t *testing.T) {
	eng := tinyEngine(t, Options{})
	file := picture(1, 8, 8)
	for name, test := range map[string]struct {
		model    string
		image    []byte
		function string
		code     Code
	}{
		"an unknown model":             {"nobody", file, "", NotFound},
		"a name with a slash":          {"../m1", file, "", Invalid},
		"no name":                      {"", file, "", Invalid},
		"an unknown function":          {"m1", file, "argmax", Invalid},
		"nothing":                      {"m1", nil, "", Unsupported},
		"text":                         {"m1", []byte("hello"), "", Unsupported},
		"half an image":                {"m1", file[:len(file)/2], "", Unsupported},
		"a header alone":               {"m1", file[:33], "", Unsupported},
		"a hundred megapixels":         {"m1", bomb(10_000, 10_000), "", TooLarge},
		"a very long image":            {"m1", bomb(1<<30, 1), "", TooLarge},
		"an image of no height":        {"m1", bomb(8, 0), "", Unsupported},
		"a format that is not decoded": {"m1", append([]byte("BM"), file...), "", Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := eng.Classify(context.Background(), test.model, test.image, ClassifyOptions{Function: test.function})
			if codeOf(err) != test.code {
				t.Errorf("%v, %v; want code %d", a, err, test.code)
			}
		})
	}
	if n := eng.Counters(); n.Requests != 12 || n.Failures != 12 || n.Running != 0 || n.Waiting != 0 {
		t.Errorf("counters %+v, want 12 requests that failed", n)
	}
	waitIdle(t, eng.cache)
}

// bomb returns a PNG file that ends after a header with this size.
func bomb(width, height uint32) []byte {
	file := slices.Clone(picture(1, 8, 8))
	binary.BigEndian.PutUint32(file[16:], width)
	binary.BigEndian.PutUint32(file[20:], height)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func TestClassifyReadsOtherFormats(t *testing.T) {
	eng := tinyEngine(t, Options{})
	frame := func(c color.Color) *image.Paletted {
		p := image.NewPaletted(image.Rect(0, 0, 12, 12), color.Palette{color.Black, c})
		for i := range p.Pix {
			p.Pix[i] = 1
		}
		return p
	}
	encoded := func(frames ...*image.Paletted) []byte {
		var b bytes.Buffer
		must(gif.EncodeAll(&b, &gif.GIF{Image: frames, Delay: make([]int, len(frames))}))
		return b.Bytes()
	}
	red, blue := frame(color.NRGBA{255, 0, 0, 255}), frame(color.NRGBA{0, 0, 255, 255})
	_, still := classify(t, eng, "m1", encoded(red))
	if _, moving := classify(t, eng, "m1", encoded(red, blue)); !same(still, moving) {
		t.Error("an animation is not answered as its first frame")
	}
	if _, other := classify(t, eng, "m1", encoded(blue, red)); same(still, other) {
		t.Error("a red image and a blue one have the same answer")
	}
	var grey bytes.Buffer
	must(jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 40, 9)), nil))
	classify(t, eng, "m1", grey.Bytes())
}

func TestConcurrentRequestsRebuildOnce(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 16})
	file := picture(1, 8, 8)
	_, want := classify(t, eng, "m3", file)
	eng.cache.Drop(eng.store.Variants()[3].Digest)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			a, err := eng.Classify(context.Background(), "m3", file, ClassifyOptions{Function: "none"})
			if err != nil || !same(byLabel(a), want) {
				t.Errorf("m3 answers %v, %v; want %v", a, err, want)
			}
		})
	}
	all.Wait()
	if n := eng.Counters(); n.Rebuilds != 2 || n.Misses != 2 || n.Hits != 15 {
		t.Errorf("counters %+v, want 2 misses and a rebuild for each", n)
	}
	list, _ := eng.Variants("m2", 1)
	if v := list[0]; v.Name != "m3" || v.Requests != 17 || v.Rebuilds != 2 || v.Hits != 15 || v.Resident != "slab" {
		t.Errorf("m3 is %+v, want 17 requests, 2 rebuilds and 15 hits", v)
	}
}

func TestQueueIsBounded(t *testing.T) {
	eng := tinyEngine(t, Options{Parallel: 1, Queue: 1})
	release := holdSlot(eng)
	ctx, cancel := context.WithCancel(context.Background())
	var request sync.WaitGroup
	request.Go(func() {
		if _, err := eng.Classify(ctx, "m1", picture(1, 8, 8), ClassifyOptions{}); err != context.Canceled {
			t.Errorf("canceled in the queue: %v, want context.Canceled", err)
		}
	})
	eventually(t, "one request waits", func() bool { return eng.Counters().Waiting == 1 })
	if _, err := eng.Classify(context.Background(), "m1", picture(1, 8, 8), ClassifyOptions{}); codeOf(err) != Overloaded {
		t.Errorf("a request to a full queue: %v, want code Overloaded", err)
	}
	cancel()
	request.Wait()
	release()
	if n := eng.Counters(); n.Waiting != 0 || n.Running != 0 {
		t.Errorf("counters %+v, want nothing waiting or running", n)
	}
	classify(t, eng, "m1", picture(1, 8, 8))
}
