package learn_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// changed returns a checkpoint of the family after a change.
func changed(t *testing.T, name string, change func(*testfamily.Checkpoint)) *checkpoint.Checkpoint {
	t.Helper()
	c := testfamily.New(5, 3)
	change(c)
	return c.Open(t, name)
}

func setLabels(labels ...string) func(*testfamily.Checkpoint) {
	return func(c *testfamily.Checkpoint) {
		names := map[string]string{}
		for i, name := range labels {
			names[fmt.Sprint(i)] = name
		}
		c.Config["id2label"] = names
	}
}

// Everything that is wrong is listed, each with its checkpoint, before any is read.
func TestFitListsWhatIsWrongFirst(t *testing.T) {
	checkpoints := []*checkpoint.Checkpoint{
		changed(t, "good", func(*testfamily.Checkpoint) {}),
		changed(t, "none", func(c *testfamily.Checkpoint) { delete(c.Config, "id2label") }),
		changed(t, "few", setLabels("a", "b")),
		changed(t, "many", setLabels("a", "b", "c", "d")),
		changed(t, "counted", func(c *testfamily.Checkpoint) { delete(c.Config, "id2label"); c.Config["num_labels"] = 3 }),
		changed(t, "bias", func(c *testfamily.Checkpoint) {
			c.Tensors["classifier.bias"] = tensorfile.FromFloat32("F32", []int{4}, make([]float32, 4))
		}),
		changed(t, "gap", func(c *testfamily.Checkpoint) { delete(c.Tensors, "vit.layernorm.bias") }),
		changed(t, "images", func(c *testfamily.Checkpoint) { c.Preprocessor = `{"size":9}` }),
		changed(t, "other", func(c *testfamily.Checkpoint) { c.Config["num_attention_heads"] = 4 }),
		changed(t, "type", func(c *testfamily.Checkpoint) { c.Config["hidden_size"] = "16" }),
	}
	want := []string{
		`checkpoint "none": config.json lists no labels, but the head has 3 outputs`,
		`checkpoint "few": id2label in config.json lists 2 labels, but the head has 3 outputs`,
		`checkpoint "many": id2label in config.json lists 4 labels`,
		`checkpoint "bias": "classifier.weight" has 3 outputs, but "classifier.bias" has 4`,
		`checkpoint "gap": tensors do not fit the architecture: 1 missing: vit.layernorm.bias`,
		`checkpoint "images": `,
		`checkpoint "type": invalid config.json: hidden_size is text, not a whole number`,
		`checkpoints "good" and "other" are of different architectures`,
	}
	o := learn.Options{Progress: func(stage string, _, _ int) { t.Errorf("%s before the checkpoints were checked", stage) }}
	check := func(err error, want []string) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d errors, want %d:\n%v", len(lines), len(want), err)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) {
				t.Errorf("%q does not begin with %q", line, want[i])
			}
			if strings.Contains(line, "unmarshal") {
				t.Errorf("%q speaks of Go", line)
			}
		}
	}
	s := testfamily.EmptyStore(t)
	check(learn.Fit(context.Background(), s, "family", checkpoints, o), want)
	_, err := learn.Clusters(context.Background(), checkpoints, func(int, int) { t.Error("compared before the check") })
	check(err, want[:len(want)-1])
	if entries := s.Variants(); len(entries) > 0 || len(s.Families()) > 0 {
		t.Errorf("stored: %v", entries)
	}
}

// Numbers that are not finite are found when the weights are read, in all checkpoints.
func TestFitListsAllThatIsNotFinite(t *testing.T) {
	broken := func(c *testfamily.Checkpoint) {
		v := make([]float32, 16)
		v[3] = float32(math.NaN())
		c.Tensors["vit.layernorm.bias"] = tensorfile.FromFloat32("F32", []int{16}, v)
	}
	checkpoints := []*checkpoint.Checkpoint{changed(t, "a", broken), changed(t, "b", func(*testfamily.Checkpoint) {}), changed(t, "c", broken)}
	err := learn.Fit(context.Background(), testfamily.EmptyStore(t), "family", checkpoints, learn.Options{Progress: func(stage string, _, _ int) {
		if stage != "check" {
			t.Errorf("%s before the weights were checked", stage)
		}
	}})
	if !errors.Is(err, checkpoint.ErrNotFinite) || strings.Count(err.Error(), `tensor "vit.layernorm.bias"`) != 2 ||
		!strings.Contains(err.Error(), `checkpoint "a"`) || !strings.Contains(err.Error(), `checkpoint "c"`) {
		t.Error(err)
	}
}

func TestJoinErrors(t *testing.T) {
	var many []error
	for i := range 30 {
		many = append(many, fmt.Errorf("error %d", i), nil)
	}
	lines := strings.Split(learn.JoinErrors(many).Error(), "\n")
	if len(lines) != 11 || lines[9] != "error 9" || lines[10] != "and 20 more errors" {
		t.Errorf("%q", lines)
	}
	if err := learn.JoinErrors([]error{nil, nil}); err != nil {
		t.Error(err)
	}
}

// A checkpoint whose weights overflow in a forward pass does not keep the others from
// being stored.
func TestFitStoresTheOthers(t *testing.T) {
	huge := changed(t, "huge", func(c *testfamily.Checkpoint) {
		x := c.Tensors["classifier.weight"]
		v := make([]float32, x.Len())
		for i := range v {
			v[i] = math.MaxFloat32
		}
		c.Tensors["classifier.weight"] = tensorfile.FromFloat32("F32", x.Shape, v)
	})
	s := testfamily.EmptyStore(t)
	var refused []string
	err := learn.Fit(context.Background(), s, "family", append(testfamily.FirstMembers(t, 3), huge), learn.Options{
		Metric: "none", OnRefused: func(name string, _ error) { refused = append(refused, name) },
	})
	if err == nil || !strings.Contains(err.Error(), "1 of 4 checkpoints cannot be used; the others are stored") {
		t.Errorf("error %v", err)
	}
	if len(refused) != 1 || refused[0] != "huge" || len(s.Variants()) != 3 {
		t.Errorf("refused %v, stored %d", refused, len(s.Variants()))
	}
}
