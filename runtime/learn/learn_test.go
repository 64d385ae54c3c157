package learn_test

import (
	"testing"

	"eigenserve/runtime"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

func TestMain(m *testing.M) { teststore.Main(m) }

// serve opens an engine on a store.
func serve(t *testing.T, s *store.Store) *runtime.Engine {
	t.Helper()
	eng, err := runtime.Open(s, runtime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return eng
}

// classify returns a model's answer to a picture.
func classify(t *testing.T, eng *runtime.Engine, name string) runtime.Answer {
	t.Helper()
	a, err := eng.Classify(t.Context(), name, testfamily.Picture(1, 8, 8), runtime.ClassifyOptions{})
	if err != nil {
		t.Fatalf("classify with %s: %v", name, err)
	}
	return a
}

// otherArchitecture opens a checkpoint of another architecture than the tests' family.
func otherArchitecture(t *testing.T) *checkpoint.Checkpoint {
	t.Helper()
	c := testfamily.New(3, 3)
	c.Config["num_attention_heads"] = 4
	return c.Open(t, "other")
}

// all returns its arguments, for lists in tables.
func all(c ...*checkpoint.Checkpoint) []*checkpoint.Checkpoint { return c }
