package nn_test

import (
	"slices"
	"sync"
	"testing"

	"eigenserve/models/nn"
)

func TestPassNeverHandsOutMemoryTwice(t *testing.T) {
	var p nn.Pass
	for range 3 { // the second round runs in the memory that the first one grew
		p.Begin()
		var held [][]float32
		for i, n := range []int{1, 17, 100_000, 3, 1 << 14, 5} {
			mark := p.Mark()
			for range 3 {
				clear(p.Floats(n)) // given back: may be overwritten
			}
			p.Free(mark)
			f := p.Floats(n)
			for j := range f {
				f[j] = float32(i + 1)
			}
			held = append(held, f)
		}
		for i, f := range held {
			if slices.ContainsFunc(f, func(v float32) bool { return v != float32(i+1) }) {
				t.Fatalf("slice %d was handed out again while held", i)
			}
		}
	}
}

func TestPassStopsGrowing(t *testing.T) {
	var p nn.Pass
	var bytes []int
	for range 4 {
		p.Begin()
		for range 10 {
			mark := p.Mark()
			p.Floats(30_000)
			p.Floats(50_000)
			p.Free(mark)
			p.Floats(1_000)
		}
		bytes = append(bytes, p.Bytes())
	}
	if bytes[1] != bytes[3] {
		t.Errorf("bytes grow from pass to pass: %v", bytes)
	}
	if most := 4 * (80_000 + 10*1_024); bytes[3] > most {
		t.Errorf("%d bytes held, %d were out at most", bytes[3], most)
	}
}

func TestPoolAccountsForEveryPass(t *testing.T) {
	var pool nn.Pool
	const each = 4 << 15
	var busy []*nn.Pass
	for range 3 {
		p := pool.Begin()
		p.Floats(1 << 15)
		busy = append(busy, p)
	}
	for _, p := range busy {
		pool.End(p)
	}
	if got := pool.Bytes(); got != 3*each {
		t.Errorf("%d bytes after three passes at once, want %d", got, 3*each)
	}
	for range 10 {
		pool.End(pool.Begin())
	}
	if got := pool.Bytes(); got != 3*each {
		t.Errorf("%d bytes after ten more one by one, want %d", got, 3*each)
	}
}

func TestPoolGivesAPassToOneAtATime(t *testing.T) {
	var pool nn.Pool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				p := pool.Begin()
				p.Floats(64)[0]++ // the race detector watches
				pool.End(p)
			}
		})
	}
	wg.Wait()
}
