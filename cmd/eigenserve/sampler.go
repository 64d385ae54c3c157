package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"eigenserve/runtime"
	"eigenserve/store"
)

// sampled is an answer, and what was asked.
type sampled struct {
	arrival
	scores []labelScore
}

// sampler keeps so many of the answers, each with the same chance (reservoir
// sampling: Vitter 1985).
type sampler struct {
	most int

	mu   sync.Mutex // guards what follows
	seen int
	kept []sampled
	r    *rand.Rand
}

func (s *sampler) offer(x sampled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if len(s.kept) < s.most {
		s.kept = append(s.kept, x)
	} else if at := s.r.IntN(s.seen); at < s.most {
		s.kept[at] = x
	}
}

// verified is what the check of a sample found.
type verified struct {
	Checked int `json:"checked"`
	Wrong   int `json:"wrong"`
	// Farthest is the largest difference of a logit from the reference's, in
	// units of the spread of the reference's logits.
	Farthest float64 `json:"farthest"`
	First    string  `json:"first_wrong,omitempty"`
}

// tolerated is how far a logit may be off, in units of the spread of all: what
// arithmetic in BF16 does to a deep network is some hundredths.
const tolerated = 0.15

// verify holds the sample against logits computed anew: by the reference that
// rebuilds without any of the kernels, cache or batches that serve.
func (s *sampler) verify(dir string, t *target, images [][]byte, tell func(done, total int)) (v verified, err error) {
	st, err := store.Open(dir)
	if err != nil {
		return v, err
	}
	eng, err := runtime.Open(st, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	if err != nil {
		return v, err
	}
	defer eng.Close()
	slices.SortFunc(s.kept, func(a, b sampled) int { return cmp.Compare(a.model, b.model) })
	for from := 0; from < len(s.kept); {
		to := from
		var asked [][]byte
		for ; to < len(s.kept) && s.kept[to].model == s.kept[from].model; to++ {
			asked = append(asked, images[s.kept[to].image])
		}
		name := t.models[s.kept[from].model].name
		detail, err := eng.Variant(name)
		if err != nil {
			return v, err
		}
		logits, err := eng.Reference(name, asked)
		if err != nil {
			return v, err
		}
		for i, x := range s.kept[from:to] {
			v.hold(name, x.scores, logits[i], detail.Labels, tolerated)
		}
		from = to
		tell(to, len(s.kept))
	}
	return v, nil
}

// hold compares one answer with the reference's logits, from which it may be off by
// most, in units of their spread.
func (v *verified) hold(name string, scores []labelScore, logits []float32, labels []string, most float64) {
	v.Checked++
	var mean, spread, best float64
	best = math.Inf(-1)
	for _, x := range logits {
		mean += float64(x) / float64(len(logits))
		best = max(best, float64(x))
	}
	for _, x := range logits {
		spread += (float64(x) - mean) * (float64(x) - mean) / float64(len(logits))
	}
	spread = math.Sqrt(spread)
	far := (best - v.of(scores[0].Label, logits, labels)) / spread // the best label is nearly as good as the reference's
	for _, s := range scores {
		far = max(far, math.Abs(s.Score-v.of(s.Label, logits, labels))/spread)
	}
	v.Farthest = max(v.Farthest, far)
	if !(far <= most) {
		if v.Wrong++; v.First == "" {
			v.First = fmt.Sprintf("%s: a logit is off by %.3g of their spread", name, far)
		}
	}
}

// of is the reference's logit of a label.
func (*verified) of(label string, logits []float32, labels []string) float64 {
	if i := slices.Index(labels, label); i >= 0 {
		return float64(logits[i])
	}
	return math.Inf(-1)
}

// bodies are requests for the logits of the five best labels.
func bodies(images [][]byte) ([][]byte, error) {
	out := make([][]byte, len(images))
	for i, image := range images {
		var buf bytes.Buffer
		err := json.NewEncoder(&buf).Encode(map[string]any{"inputs": base64.StdEncoding.EncodeToString(image),
			"parameters": map[string]any{"top_k": 5, "function_to_apply": "none"}})
		if err != nil {
			return nil, err
		}
		out[i] = buf.Bytes()
	}
	return out, nil
}
