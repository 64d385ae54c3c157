package store_test

import (
	"bytes"
	"runtime/metrics"
	"testing"

	"eigenserve/store"
)

// Any file is refused or read, and what was read can be written and read again.

func FuzzDecodeVariant(f *testing.F) {
	raw := bytesOf(f, tinyVariant(f))
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	plain := tinyVariant(f)
	plain.Private, plain.Exact, plain.Preprocessor = nil, nil, nil
	f.Add(bytesOf(f, plain))
	f.Add(encoded(f, tinyBasis()))
	basis, err := parseBasis(encoded(f, tinyBasis()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := allocated()
		v, err := store.ParseVariant(raw)
		// The header may inflate to 4 MiB of text, with one label per comma.
		if used, most := allocated()-before, uint64(160<<20+64*len(raw)); used > most {
			t.Errorf("a file of %[2]d bytes took %[1]d bytes of memory", used, len(raw))
		}
		if err != nil {
			return
		}
		basis.Digest = v.Basis
		_ = v.CheckBasis(basis)
		v.Fidelity.Worst(basis.Layout())
		if _, err := store.ParseVariant(bytesOf(t, v)); err != nil {
			t.Errorf("written again: %v", err)
		}
	})
}

func FuzzDecodeBasis(f *testing.F) {
	raw := encoded(f, tinyBasis())
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add(bytesOf(f, tinyVariant(f)))
	plain := tinyBasis()
	plain.Layers = plain.Layers[1:]
	f.Add(encoded(f, plain))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := parseBasis(raw)
		if err != nil {
			return
		}
		again, err := parseBasis(encoded(t, b))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if !again.Layout().Equal(b.Layout()) || !bytes.Equal(encoded(t, again), encoded(t, b)) {
			t.Error("writing and reading it twice makes it another basis")
		}
	})
}

// allocated returns how many bytes have been allocated since the program began. Other
// goroutines allocate a little meanwhile.
func allocated() uint64 {
	bytes := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
