package runtime

import (
	"context"
	"errors"
	"runtime/metrics"
	"testing"

	"eigenserve/runtime/learn/gate"
)

// FuzzUpload uploads any files as a checkpoint. What is refused is the uploader's
// fault; what is taken answers; and either takes memory in proportion to the files.
func FuzzUpload(f *testing.F) {
	eng := tinyEngine(f, Options{Gate: gate.Options{Step: 1}})
	add := func(u Upload) { f.Add(u.Model, u.Config, u.Preprocessor) }
	u := upload(newTiny(5, 3))
	add(u)
	add(Upload{Model: u.Model[:len(u.Model)/2], Config: u.Config})
	add(Upload{Model: u.Model, Config: []byte(`{"model_type":"vit","num_hidden_layers":512,"hidden_size":16384}`)})
	add(Upload{Model: u.Model, Config: u.Config, Preprocessor: []byte(`{"size":{"shortest_edge":16384},"do_center_crop":true}`)})
	f.Fuzz(func(t *testing.T, model, config, preprocessor []byte) {
		const name = "fuzzed"
		before := allocated()
		_, _, err := eng.AddCheckpoint(context.Background(), tinyFamily, name, Upload{Model: model, Config: config, Preprocessor: preprocessor})
		if used, most := allocated()-before, uint64(256<<20+256*(len(model)+len(config)+len(preprocessor))); used > most {
			t.Errorf("%d bytes were allocated for files of %d, %d and %d", used, len(model), len(config), len(preprocessor))
		}
		if err != nil {
			if code := codeOf(err); code == Internal || code == Damaged {
				t.Errorf("%v", err)
			}
			return
		}
		answersOrOverflows(t, eng, name)
		must(eng.DeleteVariant(context.Background(), name))
	})
}

// FuzzVariant puts any file as a variant, as far as its coefficients, which
// FuzzDecodeVariant of the store does not read.
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
			t.Errorf("%d bytes were allocated for a file of %d", used, len(raw))
		}
		if err != nil {
			if code := codeOf(err); code == Internal || code == Damaged {
				t.Errorf("%v", err)
			}
			return
		}
		answersOrOverflows(t, eng, name)
		must(eng.DeleteVariant(context.Background(), name))
	})
}

// answersOrOverflows holds a model that was taken to answering, unless its weights, which may
// be any numbers, are such that sums overflow.
func answersOrOverflows(t *testing.T, eng *Engine, name string) {
	t.Helper()
	_, err := eng.Classify(context.Background(), name, picture(1, 8, 8), ClassifyOptions{})
	if err != nil && !errors.Is(err, errNotFinite) {
		t.Errorf("it was taken, and does not answer: %v", err)
	}
}

// allocated is how many bytes were allocated since the start. Other goroutines
// allocate meanwhile, a little.
func allocated() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
