package load

import "testing"

// An answer from other weights is found wrong.
func TestCompare(t *testing.T) {
	logits, labels := []float32{1, -2, 0.5, 3}, []string{"a", "b", "c", "d"}
	for what, c := range map[string]struct {
		scores []LabelScore
		wrong  int
	}{
		"exact":              {[]LabelScore{{"d", 3}, {"a", 1}}, 0},
		"rounded":            {[]LabelScore{{"d", 3.02}, {"a", 0.99}}, 0},
		"another best label": {[]LabelScore{{"a", 1}}, 1},
		"another logit":      {[]LabelScore{{"d", 3}, {"c", 1.5}}, 1},
		"an unknown label":   {[]LabelScore{{"e", 3}}, 1},
	} {
		var v Verification
		v.Compare("m", c.scores, logits, labels, tolerance)
		if v.Checked != 1 || v.Wrong != c.wrong {
			t.Errorf("%s: %+v", what, v)
		}
	}
}
