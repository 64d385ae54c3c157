package runtime

import (
	"context"
	"eigenserve/runtime/internal/testfamily"
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab})
	check := func(when string, l Ledger) {
		t.Helper()
		sum := l.Basis + l.Coefficients + l.Private + l.Slabs + l.Activations + l.Catalogue + l.Overhead
		if l.Total != sum || l.Slabs != eng.cache.Stats().Used || l.CacheLimit != 3*tinySlab || l.Slabs > l.CacheLimit {
			t.Errorf("%s the ledger is %+v, want a total of %d and %d bytes of slabs", when, l, sum, eng.cache.Stats().Used)
		}
	}
	empty := eng.Ledger()
	check("before the first use", empty)
	if empty.Basis+empty.Coefficients+empty.Private+empty.Slabs+empty.Activations != 0 || empty.Catalogue <= 0 || empty.Variants != testfamily.Size {
		t.Errorf("before the first use the ledger is %+v, want only the catalogue", empty)
	}

	must(eng.Preload(ctx))
	loaded := eng.Ledger()
	check("after Preload", loaded)
	var coefficients, private, dense int64
	for i := range testfamily.Size {
		name, c := testfamily.Member(i)
		d, err := eng.Variant(name)
		must(err)
		coefficients += d.Fidelity.Bytes.Coefficients
		private += d.Fidelity.Bytes.Private
		dense += int64(len(tensorBytes(c))) // in float32, including the heads
	}
	if loaded.Coefficients != coefficients || loaded.Private != private || loaded.Dense != dense || loaded.Slabs != 0 ||
		loaded.Basis != eng.Families()[0].Resident {
		t.Errorf("after Preload the ledger is %+v, want coefficients %d, private %d, dense %d", loaded, coefficients, private, dense)
	}
	if want := float64(dense) / float64(loaded.Total-loaded.Overhead); loaded.ModelRatio != want {
		t.Errorf("the model ratio is %g, want %g", loaded.ModelRatio, want)
	}

	for i := range testfamily.Size {
		name, _ := testfamily.Member(i)
		classify(t, eng, name, picture(1, 8, 8))
	}
	busy := eng.Ledger()
	check("after requests", busy)
	if busy.SlabsUsed != 3 || busy.Slabs == 0 || busy.Activations == 0 || busy.Dense != dense {
		t.Errorf("after requests the ledger is %+v, want 3 slabs used and some activations", busy)
	}

	must(eng.DeleteVariant(ctx, "m0"))
	less := eng.Ledger()
	check("after a delete", less)
	_, deleted := testfamily.Member(0)
	if less.Variants != testfamily.Size-1 || less.Dense != dense-int64(len(tensorBytes(deleted))) ||
		less.Coefficients >= busy.Coefficients || less.Private >= busy.Private || less.Catalogue >= busy.Catalogue {
		t.Errorf("after a delete the ledger is %+v, want less than %+v", less, busy)
	}

	if _, _, err := eng.AddCheckpoint(ctx, testfamily.Name, "new", upload(testfamily.New(9, 3))); err != nil {
		t.Fatal(err)
	}
	more := eng.Ledger()
	check("after an upload", more)
	if more.Basis <= less.Basis {
		t.Errorf("after an upload the basis takes %d bytes, want more than %d since the projector is in memory", more.Basis, less.Basis)
	}
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Options
		want string
	}{
		{"no room, factored", Options{WeightCache: 1, Factored: true}, "more slowly"},
		{"no room, rebuilt", Options{WeightCache: 1}, "no request"},
		{"room", Options{WeightCache: 1 << 30}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			eng := tinyEngine(t, test.o)
			must(eng.Preload(t.Context()))
			lines := eng.Warnings()
			if (test.want == "") != (len(lines) == 0) || !strings.Contains(strings.Join(lines, "\n"), test.want) {
				t.Errorf("warnings %q, want %q", lines, test.want)
			}
		})
	}
}
