package load

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"eigenserve/runtime"
	"eigenserve/store"
)

// LabelScore is one entry of an answer.
type LabelScore struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Verification is what the check of a sample found.
type Verification struct {
	Checked int `json:"checked"`
	Wrong   int `json:"wrong"`
	// Farthest is the largest difference of a logit from the reference's, in
	// units of the spread of the reference's logits.
	Farthest float64 `json:"farthest"`
	First    string  `json:"first_wrong,omitempty"`
}

// tolerance is how far a logit may be off, in units of the spread of all: what
// arithmetic in BF16 does to a deep network is some hundredths.
const tolerance = 0.15

// verify holds the sample against logits computed anew: by the reference that
// rebuilds without any of the kernels, cache or batches that serve.
func (s *reservoir) verify(dir string, t *target, images [][]byte, tell func(done, total int)) (v Verification, err error) {
	st, err := store.Open(dir)
	if err != nil {
		return v, err
	}
	eng, err := runtime.Open(st, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	if err != nil {
		return v, err
	}
	defer eng.Close()
	slices.SortFunc(s.items, func(a, b sampledAnswer) int { return cmp.Compare(a.model, b.model) })
	for from := 0; from < len(s.items); {
		to := from
		var asked [][]byte
		for ; to < len(s.items) && s.items[to].model == s.items[from].model; to++ {
			asked = append(asked, images[s.items[to].image])
		}
		name := t.models[s.items[from].model].name
		detail, err := eng.Variant(name)
		if err != nil {
			return v, err
		}
		logits, err := eng.Reference(name, asked)
		if err != nil {
			return v, err
		}
		for i, x := range s.items[from:to] {
			v.Compare(name, x.scores, logits[i], detail.Labels, tolerance)
		}
		from = to
		tell(to, len(s.items))
	}
	return v, nil
}

// Compare compares one answer with the reference's logits, from which it may be off by
// most, in units of their spread.
func (v *Verification) Compare(name string, scores []LabelScore, logits []float32, labels []string, most float64) {
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
	far := (best - v.logitOf(scores[0].Label, logits, labels)) / spread // the best label is nearly as good as the reference's
	for _, s := range scores {
		far = max(far, math.Abs(s.Score-v.logitOf(s.Label, logits, labels))/spread)
	}
	v.Farthest = max(v.Farthest, far)
	if !(far <= most) {
		if v.Wrong++; v.First == "" {
			v.First = fmt.Sprintf("%s: a logit is off by %.3g of their spread", name, far)
		}
	}
}

// logitOf is the reference's logit of a label.
func (*Verification) logitOf(label string, logits []float32, labels []string) float64 {
	if i := slices.Index(labels, label); i >= 0 {
		return float64(logits[i])
	}
	return math.Inf(-1)
}

// LogitRequests are requests for the logits of the five best labels.
func LogitRequests(images [][]byte) ([][]byte, error) {
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
