package runtime

import (
	"fmt"
	"testing"
	"time"
)

// TestMixesWhereItPays measures rows of both kinds of batches, and counts which
// kind is then taken.
func TestMixesWhereItPays(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		together, apart time.Duration
		want            int // mixed ones of the next 2×mixingTrial choices
	}{
		{0, 0, 2 * mixingTrial},
		{10 * ms, 0, 0}, // the other is to be measured
		{7 * ms, 10 * ms, 2*mixingTrial - 2},
		{10 * ms, 10 * ms, 2}, // waiting for each other has to pay
		{13 * ms, 10 * ms, 2},
	} {
		m := mixing{}
		m.took(chosenMixed, c.together)
		m.took(chosenApart, c.apart)
		m.took(noChoice, time.Hour)
		mixed := 0
		for range 2 * mixingTrial {
			if m.choose() == chosenMixed {
				mixed++
			}
		}
		if mixed != c.want {
			t.Errorf("rows of %v together and %v apart: %d mixed batches, want %d", c.together, c.apart, mixed, c.want)
		}
	}
}

// TestBatchesFollowWhatPays has several lines wait, and looks whether a batch has
// rows of more than one.
func TestBatchesFollowWhatPays(t *testing.T) {
	for _, c := range []struct {
		together time.Duration
		variants int // in the next batch
	}{{50 * time.Millisecond, 4}, {200 * time.Millisecond, 1}} {
		d := newDesk(t, Options{Parallel: 1, MaxBatch: 8})
		d.fam.mixing.took(chosenMixed, c.together)
		d.fam.mixing.took(chosenApart, 100*time.Millisecond)
		giveBack := d.occupy()
		for i := range 4 {
			d.mustAsk(d.variant(fmt.Sprint(i)), 2)
		}
		giveBack()
		if rows := d.step(); len(rows) != c.variants {
			t.Errorf("rows take %v together, 100ms apart: a batch has %v", c.together, rows)
		}
	}
}

// TestWhatMustBeAloneChoosesNothing: its time says nothing of mixing.
func TestWhatMustBeAloneChoosesNothing(t *testing.T) {
	d := newDesk(t, Options{Parallel: 1})
	giveBack := d.occupy()
	for i := range 2 {
		h := d.variant(fmt.Sprint(i))
		d.alone[h.loaded.Load()] = true
		d.mustAsk(h, 1)
	}
	giveBack()
	if b := <-d.taken; b.choice != noChoice || len(b.groups) != 1 {
		t.Errorf("a batch of %d variants, choice %d", len(b.groups), b.choice)
	}
	d.end <- struct{}{}
}

// TestMixingIsMeasured answers several variants at once until both ways are known.
func TestMixingIsMeasured(t *testing.T) {
	eng := tinyEngine(t, Options{Factored: true, Parallel: 1})
	l, stop := ask(eng, picture(1, 8, 8), 8)
	defer stop()
	eventually(t, "the first answers", func() bool { return l.count.Load() > 0 })
	m := &onlyFamily(t, eng).mixing
	eventually(t, "both ways are measured", func() bool { return m.together.mean() > 0 && m.apart.mean() > 0 })
}
