package runtime

import (
	"context"
	"errors"
	"runtime/metrics"
	"testing"

	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/learn/gate"
)

// FuzzUpload uploads files as a checkpoint. They are refused with a code that blames the
// caller, or the model answers. Either takes memory in proportion to the files.
func FuzzUpload(f *testing.F) {
	eng := tinyEngine(f, Options{Gate: gate.Options{Step: 1}})
	add := func(u Upload) { f.Add(u.Model, u.Config, u.Preprocessor) }
	u := upload(testfamily.New(5, 3))
	add(u)
	add(Upload{Model: u.Model[:len(u.Model)/2], Config: u.Config})
	add(Upload{Model: u.Model, Config: []byte(`{"model_type":"vit","num_hidden_layers":512,"hidden_size":16384}`)})
	add(Upload{Model: u.Model, Config: u.Config, Preprocessor: []byte(`{"size":{"shortest_edge":16384},"do_center_crop":true}`)})
	f.Fuzz(func(t *testing.T, model, config, preprocessor []byte) {
		const name = "fuzzed"
		before := allocated()
		_, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, name, Upload{Model: model, Config: config, Preprocessor: preprocessor})
		if used, most := allocated()-before, uint64(256<<20+256*(len(model)+len(config)+len(preprocessor))); used > most {
			t.Errorf("%d bytes were allocated for files of %d, %d and %d, want %d at most", used, len(model), len(config), len(preprocessor), most)
		}
		if err != nil {
			checkBlamesCaller(t, err)
			return
		}
		checkAnswersOrOverflows(t, eng, name)
		must(eng.DeleteVariant(context.Background(), name))
	})
}

// FuzzVariant puts files as a variant, whose coefficients are decoded. FuzzDecodeVariant of
// package store does not do that.
func FuzzVariant(f *testing.F) {
	eng := tinyEngine(f, Options{})
	raw := fileOf(f, eng, "m1")
	f.Add(raw)
	f.Add(raw[:len(raw)-9])
	f.Fuzz(func(t *testing.T, raw []byte) {
		const name = "fuzzed"
		before := allocated()
		_, _, err := eng.PutVariant(context.Background(), name, raw)
		if used, most := allocated()-before, uint64(192<<20+64*len(raw)); used > most {
			t.Errorf("%d bytes were allocated for a file of %d, want %d at most", used, len(raw), most)
		}
		if err != nil {
			checkBlamesCaller(t, err)
			return
		}
		checkAnswersOrOverflows(t, eng, name)
		must(eng.DeleteVariant(context.Background(), name))
	})
}

// checkBlamesCaller checks that an error blames neither the engine nor a stored file.
func checkBlamesCaller(t *testing.T, err error) {
	t.Helper()
	if code := codeOf(err); code == Internal || code == Damaged {
		t.Errorf("%v, want another code than %d", err, code)
	}
}

// checkAnswersOrOverflows checks that a model which was accepted answers. Its weights may be
// any numbers, so sums may overflow.
func checkAnswersOrOverflows(t *testing.T, eng *Engine, name string) {
	t.Helper()
	_, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{})
	if err != nil && !errors.Is(err, errNotFinite) {
		t.Errorf("the model was accepted but does not answer: %v", err)
	}
}

// allocated returns how many bytes this process has allocated, other goroutines included.
func allocated() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
