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

// withLabels gives a config n labels.
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

// apart is how far the same answers may lie from each other, where tiles of
// another height add the same products up in another order: some roundings of
// logits of about one, through all layers.
const apart = 5e-6

func TestBatchEqualsSingle(t *testing.T) {
	for _, config := range []string{zooConfig, smallConfig} {
		m := open(t, config)
		w := randomWeights(t, m, "")
		const n = 5
		images := randomImages(t, config, n)
		batch := forward(t, m, images, nn.Group{Images: n, Weights: w})
		size := len(images) / n
		for i := range n {
			single := forward(t, m, images[i*size:(i+1)*size], nn.Group{Images: 1, Weights: w})
			if d := distance(t, batch[i:i+1], single); d > apart {
				t.Errorf("image %d of a batch differs by %.2g from alone", i, d)
			}
		}
	}
}

// In BF16 activations lie in other memory, with other strides and padding: answers
// are those of float32 but for the rounding, where heads and layers are whole steps
// of 32 wide and where they are not, alone and in a batch with a variant in float32.
func TestBF16AnswersAsFloat32(t *testing.T) {
	for name, config := range map[string]string{
		"whole steps":    `{"hidden_size":128,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":256,"image_size":32,"patch_size":8}`,
		"no whole steps": `{"hidden_size":120,"num_hidden_layers":3,"num_attention_heads":3,"intermediate_size":210,"image_size":32,"patch_size":8}`,
		"narrow heads":   zooConfig,
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, config)
			const n = 3
			images := randomImages(t, config, n)
			wide, half := randomWeights(t, m, ""), randomWeightsIn(t, m, "", nn.BFloat16)
			want := forward(t, m, images, nn.Group{Images: n, Weights: wide})
			if d := distance(t, forward(t, m, images, nn.Group{Images: n, Weights: half}), want); d > 0.05 {
				t.Errorf("off by %.2g", d)
			}
			mixed := forward(t, m, images, nn.Group{Images: 1, Weights: half}, nn.Group{Images: 2, Weights: wide})
			if d := distance(t, mixed[1:], want[1:]); d > apart {
				t.Errorf("beside BF16, float32 is off by %.2g", d)
			}
			if d := distance(t, mixed[:1], want[:1]); d > 0.05 {
				t.Errorf("beside float32, BF16 is off by %.2g", d)
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
		groups = append(groups, nn.Group{Images: counts[i], Weights: randomWeights(t, m, fmt.Sprint(i))})
	}
	images := randomImages(t, smallConfig, 6)
	size := len(images) / 6
	mixed := forward(t, m, images, groups...)
	for i, g := range groups {
		separate := forward(t, m, images[:g.Images*size], g)
		if d := distance(t, mixed[:g.Images], separate); d > apart {
			t.Errorf("group %d differs by %.2g from a pass of its own", i, d)
		}
		for _, logits := range separate {
			if len(logits) != labels[i] {
				t.Errorf("group %d: %d logits, want %d", i, len(logits), labels[i])
			}
		}
		images, mixed = images[g.Images*size:], mixed[g.Images:]
	}
}

func TestWarmPassAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties sync.Pools at random")
	}
	m := open(t, zooConfig)
	groups := []nn.Group{
		{Images: 1, Weights: randomWeights(t, m, "")},
		{Images: 2, Weights: randomWeights(t, m, "b")},
	}
	images := randomImages(t, zooConfig, 3)
	var pool nn.Pool
	pass := func() {
		p := pool.Begin(groups...)
		if _, err := m.Forward(p, images); err != nil {
			t.Fatal(err)
		}
		pool.End(p)
	}
	pass() // learns the size
	pass() // makes room in one piece
	if n := testing.AllocsPerRun(10, pass); n != 0 {
		t.Errorf("a warm pass allocates %v times", n)
	}
}

func TestForwardRefusesImagesThatDoNotFit(t *testing.T) {
	m := open(t, smallConfig)
	w := randomWeights(t, m, "")
	images := randomImages(t, smallConfig, 2)
	for name, c := range map[string]struct {
		groups []nn.Group
		images []float32
	}{
		"fewer images than the groups": {[]nn.Group{{Images: 3, Weights: w}}, images},
		"more images than the groups":  {[]nn.Group{{Images: 1, Weights: w}}, images},
		"part of an image":             {[]nn.Group{{Images: 2, Weights: w}}, images[1:]},
		"no groups":                    {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var p nn.Pass
			p.Begin(c.groups...)
			if _, err := m.Forward(&p, c.images); !errors.Is(err, vit.ErrImages) {
				t.Errorf("error %v, want ErrImages", err)
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
					benchmarkForward(b, m, w, randomImages(b, c.config, batch), batch)
				})
			}
		}
	}
}

func benchmarkForward(b *testing.B, m *vit.Model, w *nn.Weights, images []float32, batch int) {
	b.ReportAllocs()
	var p nn.Pass
	for b.Loop() {
		p.Begin(nn.Group{Images: batch, Weights: w})
		if _, err := m.Forward(&p, images); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
}
