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

func TestAnotherLineageIsRefused(t *testing.T) {
	eng := tinyEngine(t, Options{})
	before := digests(eng.store)
	_, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "foreign", upload(testfamily.Foreign(1)))
	if codeOf(err) != Conflict {
		t.Fatalf("code %d: %v", codeOf(err), err)
	}
	for _, says := range []string{`"foreign"`, "another lineage", `"tiny"`, "cosine", "times as far", "new family", "--exact"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("several lines: %q", err)
	}
	if after := digests(eng.store); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the store changed: %v", after)
	}
	// Bit for bit it is taken, and answers as it does.
	c := testfamily.Foreign(1).Open(t, "foreign")
	info, _, err := eng.Add(context.Background(), tinyFamily, "foreign", c, gate.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	v, tensors := rebuiltTensors(t, eng.store, info.Digest)
	for name, values := range tensors {
		want := make([]float32, len(values))
		tensor, _ := c.Tensor(name)
		must(tensor.Float32(want))
		if !slices.Equal(values, want) {
			t.Errorf("%s is not as it came", name)
		}
	}
	if len(v.Exact) == 0 {
		t.Error("nothing is exact")
	}
	if _, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, "next", upload(newTiny(99, 3))); err != nil {
		t.Errorf("of the lineage: %v", err)
	}
}
