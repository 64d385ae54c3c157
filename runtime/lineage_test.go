package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn/gate"
)

// A checkpoint of another lineage is refused, unless it is to be stored exactly.
func TestAnotherLineageIsRefused(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := digestsOf(eng.store)
	_, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, "foreign", upload(testfamily.Foreign(1)))
	if codeOf(err) != Conflict {
		t.Fatalf("%v, want code Conflict", err)
	}
	for _, want := range []string{`"foreign"`, "another lineage", `"tiny"`, "cosine", "times as far", "new family", "--exact"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q has several lines", err)
	}
	if after := digestsOf(eng.store); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the store has %v, want %v", after, before)
	}

	c := testfamily.Foreign(1).Open(t, "foreign")
	info, _, err := eng.Add(context.Background(), testfamily.Name, "foreign", c, gate.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	v, tensors := rebuiltTensors(t, eng.store, info.Digest)
	for name, values := range tensors {
		want := make([]float32, len(values))
		tensor, _ := c.Tensor(name)
		must(tensor.Float32(want))
		if !slices.Equal(values, want) {
			t.Errorf("%s of the exact variant differs from the checkpoint's", name)
		}
	}
	if len(v.Exact) == 0 {
		t.Error("the variant has no exact tensors")
	}
	if _, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, "next", upload(testfamily.New(99, 3))); err != nil {
		t.Errorf("a checkpoint of the lineage: %v", err)
	}
}
