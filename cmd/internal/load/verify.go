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

// LogitRequests returns the bodies of requests for the logits of the five best labels
// of images.
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

// Verification counts answers whose logits were compared with a reference's.
type Verification struct {
	Checked int `json:"checked"`
	Wrong   int `json:"wrong"`
	// Farthest is the largest difference of a logit from the reference's, in units of
	// the standard deviation of the reference's logits.
	Farthest float64 `json:"farthest"`
	First    string  `json:"first_wrong,omitempty"`
}

// tolerance is the largest difference of a logit from the reference's, in standard
// deviations of the logits. BF16 arithmetic in a deep network causes some hundredths.
const tolerance = 0.15

// verify compares the sampled answers with logits that the reference computes from
// the store, without the kernels, cache or batches of a server.
func (s *reservoir) verify(dir string, t *target, images [][]byte, progress func(done, total int)) (*Verification, error) {
	st, err := store.Open(dir)
	if err != nil {
		return nil, err
	}
	eng, err := runtime.Open(st, runtime.Options{Compute: runtime.ComputeF32, WeightCache: 1})
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	v := &Verification{}
	slices.SortFunc(s.answers, func(a, b sampledAnswer) int { return cmp.Compare(a.model, b.model) })
	for from := 0; from < len(s.answers); {
		model := s.answers[from].model
		var inputs [][]byte
		to := from
		for ; to < len(s.answers) && s.answers[to].model == model; to++ {
			inputs = append(inputs, images[s.answers[to].image])
		}
		name := t.models[model].name
		detail, err := eng.Variant(name)
		if err != nil {
			return nil, err
		}
		logits, err := eng.Reference(name, inputs)
		if err != nil {
			return nil, err
		}
		for i, a := range s.answers[from:to] {
			v.Compare(name, a.scores, logits[i], detail.Labels, tolerance)
		}
		from = to
		progress(to, len(s.answers))
	}
	return v, nil
}

// Compare compares an answer with the reference's logits. It is wrong if a logit is
// off by more than limit standard deviations of the reference's, or if its best label
// is worse than the reference's best by more than that.
func (v *Verification) Compare(name string, scores []LabelScore, logits []float32, labels []string, limit float64) {
	logitOf := func(label string) float64 {
		if i := slices.Index(labels, label); i >= 0 {
			return float64(logits[i])
		}
		return math.Inf(-1)
	}
	best, deviation := bestAndDeviation(logits)
	far := (best - logitOf(scores[0].Label)) / deviation
	for _, s := range scores {
		far = max(far, math.Abs(s.Score-logitOf(s.Label))/deviation)
	}
	v.Checked++
	v.Farthest = max(v.Farthest, far)
	if !(far <= limit) {
		if v.Wrong++; v.First == "" {
			v.First = fmt.Sprintf("%s: a logit is off by %.3g standard deviations", name, far)
		}
	}
}

// bestAndDeviation returns the largest logit and the standard deviation of all.
func bestAndDeviation(logits []float32) (best, deviation float64) {
	best = math.Inf(-1)
	mean, variance := 0.0, 0.0
	for _, x := range logits {
		mean += float64(x) / float64(len(logits))
		best = max(best, float64(x))
	}
	for _, x := range logits {
		variance += (float64(x) - mean) * (float64(x) - mean) / float64(len(logits))
	}
	return best, math.Sqrt(variance)
}
