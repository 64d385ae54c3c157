package runtime

import (
	"context"
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	ctx := context.Background()
	eng := tinyEngine(t, Options{WeightCache: 3 * tinySlab})
	sum := func(l Ledger) int64 {
		return l.Basis + l.Coefficients + l.Private + l.Slabs + l.Activations + l.Catalogue + l.Overhead
	}
	check := func(when string, l Ledger) {
		t.Helper()
		if l.Total != sum(l) || l.Slabs != eng.cache.Stats().Used || l.CacheLimit != 3*tinySlab || l.Slabs > l.CacheLimit {
			t.Errorf("%s: %+v", when, l)
		}
	}
	empty := eng.Ledger()
	check("empty", empty)
	if empty.Basis+empty.Coefficients+empty.Private+empty.Slabs+empty.Activations != 0 || empty.Catalogue <= 0 || empty.Variants != tinyMembers {
		t.Errorf("before the first use: %+v", empty)
	}

	if err := eng.Preload(ctx); err != nil {
		t.Fatal(err)
	}
	rest := eng.Ledger()
	check("at rest", rest)
	var coefficients, private, dense int64
	for i := range tinyMembers {
		name, c := member(i)
		d, err := eng.Variant(name)
		must(err)
		coefficients += d.Fidelity.Bytes.Coefficients
		private += d.Fidelity.Bytes.Private
		dense += int64(len(tensorBytes(c))) // F32, heads and all
	}
	if rest.Coefficients != coefficients || rest.Private != private || rest.Dense != dense || rest.Slabs != 0 ||
		rest.Basis != eng.Families()[0].Resident {
		t.Errorf("%+v: want coefficients %d, private %d, dense %d", rest, coefficients, private, dense)
	}
	if want := float64(dense) / float64(rest.Total-rest.Overhead); rest.ModelRatio != want {
		t.Errorf("ratio %g, want %g", rest.ModelRatio, want)
	}

	for i := range tinyMembers {
		name, _ := member(i)
		classify(t, eng, name, picture(1, 8, 8))
	}
	busy := eng.Ledger()
	check("in use", busy)
	if busy.SlabsUsed != 3 || busy.Slabs == 0 || busy.Activations == 0 || busy.Dense != dense {
		t.Errorf("in use: %+v", busy)
	}

	if err := eng.DeleteVariant(ctx, "m0"); err != nil {
		t.Fatal(err)
	}
	less := eng.Ledger()
	check("after delete", less)
	_, gone := member(0)
	if less.Variants != tinyMembers-1 || less.Dense != dense-int64(len(tensorBytes(gone))) ||
		less.Coefficients >= busy.Coefficients || less.Private >= busy.Private || less.Catalogue >= busy.Catalogue {
		t.Errorf("after delete: %+v", less)
	}

	if _, _, err := eng.AddCheckpoint(ctx, tinyFamily, "new", upload(newTiny(9, 3))); err != nil {
		t.Fatal(err)
	}
	more := eng.Ledger()
	check("after an upload", more)
	if more.Basis <= less.Basis {
		t.Errorf("the projector takes nothing: %d, %d before", more.Basis, less.Basis)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no room, factored", Options{WeightCache: 1, Factored: true}, "more slowly"},
		{"no room, rebuilt", Options{WeightCache: 1}, "no request"},
		{"room", Options{WeightCache: 1 << 30}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			eng := tinyEngine(t, c.o)
			if err := eng.Preload(t.Context()); err != nil {
				t.Fatal(err)
			}
			lines := eng.Warnings()
			if (c.want == "") != (len(lines) == 0) || !strings.Contains(strings.Join(lines, "\n"), c.want) {
				t.Errorf("%q, want something with %q", lines, c.want)
			}
		})
	}
}
