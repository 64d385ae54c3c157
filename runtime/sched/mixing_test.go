package sched_test

import (
	"testing"
	"time"

	"eigenserve/runtime/sched"
)

// TestBatchesFollowWhatPays has several queues wait, measures both kinds of batches, and
// counts the keys of the next one.
func TestBatchesFollowWhatPays(t *testing.T) {
	const inSeparate = 100 * time.Millisecond
	for _, c := range []struct {
		inMixed time.Duration
		keys    int // in the third batch
	}{{50 * time.Millisecond, 4}, {200 * time.Millisecond, 1}} {
		b := newBench(t, sched.Config{Slots: 1, MaxBatch: 8})
		var begun *sched.Batch
		next := func() int {
			b.hold(1)
			for key := range 4 {
				b.mustRequest(key, 2)
			}
			b.release()
			begun = <-b.begun
			return len(begun.Groups)
		}
		end := func() {
			b.end <- struct{}{}
			for b.Counters().Queued > 0 {
				<-b.begun
				b.end <- struct{}{}
			}
			b.awaitRunning(0)
		}
		if keys := next(); keys != 4 {
			t.Errorf("before anything is measured a batch has %d keys", keys)
		}
		b.ObserveInput(begun, c.inMixed)
		end()
		if keys := next(); keys != 1 {
			t.Errorf("when only mixed batches are measured, a batch has %d keys", keys)
		}
		b.ObserveInput(begun, inSeparate)
		end()
		if inM, inS := b.class.MixingTimes(); inM != c.inMixed || inS != inSeparate {
			t.Errorf("measured %v and %v", inM, inS)
		}
		if keys := next(); keys != c.keys {
			t.Errorf("inputs take %v in mixed batches, %v in others: a batch has %d keys, want %d", c.inMixed, inSeparate, keys, c.keys)
		}
		end()
	}
}

// TestInputsThatMustBeAloneMeasureNothing: their time says nothing of mixing.
func TestInputsThatMustBeAloneMeasureNothing(t *testing.T) {
	b := newBench(t, sched.Config{Slots: 1})
	b.hold(1)
	for key := range 2 {
		b.alone[key] = true
		b.mustRequest(key, 1)
	}
	b.release()
	batch := <-b.begun
	if len(batch.Groups) != 1 {
		t.Errorf("a batch of %d keys", len(batch.Groups))
	}
	b.ObserveInput(batch, time.Hour)
	if inMixed, inSeparate := b.class.MixingTimes(); inMixed != 0 || inSeparate != 0 {
		t.Errorf("measured %v and %v", inMixed, inSeparate)
	}
	b.end <- struct{}{}
}
