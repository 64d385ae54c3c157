package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

func TestCheckReportsEverything(t *testing.T) {
	weights := model().with("vit.layernorm.bias").with("classifier.bias", labels, 1).
		with("vit.embeddings.cls_token", 1, 2, width).with("surprise", 4)
	c, err := upload(t, weights, hfConfig)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Check(modelSpecs())
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || !errors.Is(err, ErrMismatch) {
		t.Fatal(err)
	}
	want := &MismatchError{
		Checkpoint: "glyphs",
		Missing:    []string{"vit.layernorm.bias"},
		Extra:      []string{"surprise"},
		WrongShape: []ShapeMismatch{
			{"classifier.bias", []int{labels, 1}, []int{-1}},
			{"vit.embeddings.cls_token", []int{1, 2, width}, []int{1, 1, width}},
		},
	}
	if diff := cmp.Diff(want, mismatch); diff != "" {
		t.Error(diff)
	}
	const says = `checkpoint "glyphs": tensors do not fit the architecture: 1 missing: vit.layernorm.bias; ` +
		`1 unknown: surprise; 2 with the wrong shape: classifier.bias [3 1] instead of [any], vit.embeddings.cls_token [1 2 6] instead of [1 1 6]`
	if err.Error() != says {
		t.Errorf("got\n%s, want\n%s", err, says)
	}
}

func TestCheckShortensMessageOnly(t *testing.T) {
	c, err := upload(t, named{}, hfConfig)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Check(modelSpecs())
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatal(err)
	}
	all := len(modelSpecs())
	if len(mismatch.Missing) != all || !slices.IsSorted(mismatch.Missing) {
		t.Errorf("%d missing, want %d, sorted", len(mismatch.Missing), all)
	}
	if !strings.Contains(err.Error(), fmt.Sprintf("%d missing", all)) || !strings.HasSuffix(err.Error(), fmt.Sprintf("… and %d more", all-6)) {
		t.Error(err)
	}
}

func TestCheckLabels(t *testing.T) {
	for rows, fits := range map[int]bool{1: true, 1000: true, 0: false} {
		c, err := upload(t, model().with("classifier.weight", rows, width).with("classifier.bias", rows), hfConfig)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(modelSpecs()); (err == nil) != fits {
			t.Errorf("%d labels: %v", rows, err)
		}
	}
}

func TestCheckFinite(t *testing.T) {
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	for _, dtype := range []string{"F16", "BF16", "F32", "F64"} {
		weights := maps.Clone(model())
		weights["classifier.bias"] = tensorfile.FromFloat32(dtype, []int{labels}, []float32{65504, 0, -1e-8})
		c, err := upload(t, weights, hfConfig)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckFinite(); err != nil {
			t.Errorf("%s: %v", dtype, err)
		}
		weights["vit.layernorm.bias"] = tensorfile.FromFloat32(dtype, []int{width}, []float32{1, inf, 2, nan, 3, 4})
		weights["vit.layernorm.weight"] = weights["vit.layernorm.bias"]
		if c, err = upload(t, weights, hfConfig); err != nil {
			t.Fatal(err)
		}
		refused(t, c.CheckFinite(), ErrNotFinite, `tensor "vit.layernorm.bias": 2 of its 6 values are not finite`)
	}
}

func TestDigestsDiffer(t *testing.T) {
	digest := func(weights named) string {
		c, err := upload(t, weights, hfConfig)
		if err != nil {
			t.Fatal(err)
		}
		return mustDigest(t, c)
	}
	seen := map[string]string{}
	half := maps.Clone(model())
	half["classifier.bias"] = tensorfile.FromFloat32("F16", []int{labels}, make([]float32, labels))
	flipped := maps.Clone(model())
	data := slices.Clone(flipped["classifier.bias"].Data)
	data[0] ^= 1
	flipped["classifier.bias"] = tensorfile.Tensor{DType: "F32", Shape: []int{labels}, Data: data}
	for what, weights := range map[string]named{
		"the model":       model(),
		"one bit":         flipped,
		"a name":          model().rename("vit.layernorm.bias", "vit.layernorm.bios"),
		"a type":          half,
		"a shape":         model().with("classifier.bias", labels, 1),
		"another shape":   model().with("classifier.bias", 1, labels),
		"one tensor less": model().with("classifier.bias"),
		"one more tensor": model().with("surprise", 1),
		"an empty tensor": model().with("surprise", 0),
	} {
		d := digest(weights)
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", what, other)
		}
		seen[d] = what
	}
}

// Stored files name checkpoints by this digest, so it must not change.
func TestDigestIsFixed(t *testing.T) {
	c, err := upload(t, named{"a": tensorfile.FromFloat32("F32", []int{2}, []float32{1, 2})}, hfConfig)
	if err != nil {
		t.Fatal(err)
	}
	const want = "30407defd1da49b3dcd8694cf06f6084daf033c31900b4187ccec81b84736f13"
	if got := mustDigest(t, c); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
