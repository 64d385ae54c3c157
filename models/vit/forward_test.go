package vit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

const (
	zooConfig = `{"hidden_size":64,"num_hidden_layers":6,"num_attention_heads":4,"intermediate_size":256,
		"image_size":32,"patch_size":8}`
	smallConfig = `{"hidden_size":48,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":80,
		"image_size":[8,12],"patch_size":4}`
	vitS16Config = `{"hidden_size":384,"num_hidden_layers":12,"num_attention_heads":6,"intermediate_size":1536}`
	vitB16Config = `{}`
)

// withLabels returns config with n labels.
func withLabels(config string, n int) string {
	var labels []string
	for i := range n {
		labels = append(labels, fmt.Sprintf(`"%d":"class %d"`, i, i))
	}
	entry := `{"id2label":{` + strings.Join(labels, ",") + `}`
	if strings.TrimSpace(config) != "{}" {
		entry += ","
	}
	return strings.Replace(config, "{", entry, 1)
}

// apart is how far logits of about one may differ that are sums of the same products
// in another order: kernels multiply in tiles of as many rows as there are.
const apart = 5e-6

func TestBatchEqualsSingle(t *testing.T) {
	for _, config := range []string{zooConfig, smallConfig} {
		m := open(t, config)
		w := randomWeights(t, m, "")
		const n = 5
		images := randomImages(m, n)
		batch := forward(t, m, images, group(m, n, w))
		for i := range n {
			single := forward(t, m, images[i:i+1], group(m, 1, w))
			if d := distance(t, batch[i:i+1], single); d > apart {
				t.Errorf("image %d differs by %.2g in a batch", i, d)
			}
		}
	}
}

// TestBF16AnswersAsFloat32 compares logits but for rounding, with layers and heads that
// are multiples of 32 and that are not, alone and in a batch with a variant in float32.
// Activations in BF16 have other strides and padding.
func TestBF16AnswersAsFloat32(t *testing.T) {
	for name, config := range map[string]string{
		"multiples of 32": `{"hidden_size":128,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":256,"image_size":32,"patch_size":8}`,
		"other sizes":     `{"hidden_size":120,"num_hidden_layers":3,"num_attention_heads":3,"intermediate_size":210,"image_size":32,"patch_size":8}`,
		"narrow heads":    zooConfig,
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, config)
			const n = 3
			images := randomImages(m, n)
			full, half := randomWeights(t, m, ""), randomWeightsIn(t, m, "", nn.BFloat16)
			want := forward(t, m, images, group(m, n, full))
			if d := distance(t, forward(t, m, images, group(m, n, half)), want); d > 0.05 {
				t.Errorf("off by %.2g", d)
			}
			mixed := forward(t, m, images, group(m, 1, half), group(m, 2, full))
			if d := distance(t, mixed[1:], want[1:]); d > apart {
				t.Errorf("in a batch with BF16, float32 is off by %.2g", d)
			}
			if d := distance(t, mixed[:1], want[:1]); d > 0.05 {
				t.Errorf("in a batch with float32, BF16 is off by %.2g", d)
			}
		})
	}
}

func TestMixedGroupsEqualSeparatePasses(t *testing.T) {
	labels := []int{3, 40, 2}
	counts := []int{2, 1, 3}
	var groups []nn.Group
	var m *vit.Model
	for i, n := range labels {
		m = open(t, withLabels(smallConfig, n))
		groups = append(groups, group(m, counts[i], randomWeights(t, m, fmt.Sprint(i))))
	}
	images := randomImages(m, 6)
	mixed := forward(t, m, images, groups...)
	for i, g := range groups {
		n := len(g.Spans)
		separate := forward(t, m, images[:n], g)
		if d := distance(t, mixed[:n], separate); d > apart {
			t.Errorf("group %d differs by %.2g from a separate pass", i, d)
		}
		for _, logits := range separate {
			if len(logits) != labels[i] {
				t.Errorf("group %d: %d logits, want %d", i, len(logits), labels[i])
			}
		}
		images, mixed = images[n:], mixed[n:]
	}
}

func TestWarmPassAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties sync.Pools at random")
	}
	m := open(t, zooConfig)
	groups := []nn.Group{
		group(m, 1, randomWeights(t, m, "")),
		group(m, 2, randomWeights(t, m, "b")),
	}
	images := randomImages(m, 3)
	var pool nn.Pool
	pass := func() {
		p := pool.Begin(groups...)
		if _, err := m.Forward(p, images); err != nil {
			t.Fatal(err)
		}
		pool.End(p)
	}
	pass() // learns the size
	pass() // merges the blocks of memory
	if n := testing.AllocsPerRun(10, pass); n != 0 {
		t.Errorf("a warm pass allocates %v times", n)
	}
}

func TestForwardRejects(t *testing.T) {
	m := open(t, smallConfig)
	w := randomWeights(t, m, "")
	images := randomImages(m, 2)
	short := []nn.Input{images[0], {Pixels: images[1].Pixels[1:]}}
	for name, c := range map[string]struct {
		groups []nn.Group
		images []nn.Input
	}{
		"fewer images than the groups": {[]nn.Group{group(m, 3, w)}, images},
		"more images than the groups":  {[]nn.Group{group(m, 1, w)}, images},
		"part of an image":             {[]nn.Group{group(m, 2, w)}, short},
		"tokens":                       {[]nn.Group{group(m, 1, w)}, []nn.Input{{Tokens: []int32{1}}}},
		"no groups":                    {nil, nil},
		"other rows than an image has": {[]nn.Group{{Spans: nn.Spans(2, 5), Weights: w}}, images},
		"a part of an image's rows":    {[]nn.Group{{Spans: []nn.Span{{Rows: 7}, {Rows: 6, Start: 1}}, Weights: w}}, images},
	} {
		t.Run(name, func(t *testing.T) {
			var p nn.Pass
			p.Begin(c.groups...)
			if _, err := m.Forward(&p, c.images); !errors.Is(err, vit.ErrInput) {
				t.Errorf("error %v, want ErrInput", err)
			}
		})
	}
}

func BenchmarkForward(b *testing.B) {
	for _, c := range []struct{ model, config string }{
		{"zoo", zooConfig}, {"vit-s16", vitS16Config}, {"vit-b16", vitB16Config},
	} {
		m := open(b, c.config)
		for _, precision := range []nn.Precision{nn.Float32, nn.BFloat16} {
			w := randomWeightsIn(b, m, "", precision)
			for _, batch := range []int{1, 8} {
				b.Run(fmt.Sprintf("op=forward/model=%s/dtype=%s/batch=%d", c.model, precision, batch), func(b *testing.B) {
					benchmarkForward(b, m, w, randomImages(m, batch))
				})
			}
		}
	}
}

func benchmarkForward(b *testing.B, m *vit.Model, w *nn.Weights, images []nn.Input) {
	b.ReportAllocs()
	var p nn.Pass
	g := group(m, len(images), w)
	for b.Loop() {
		p.Begin(g)
		if _, err := m.Forward(&p, images); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(images)*b.N)/b.Elapsed().Seconds(), "images/s")
}
