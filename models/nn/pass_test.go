package nn_test

import (
	"slices"
	"sync"
	"testing"

	"eigenserve/models/nn"
)

func TestFloatsNeverOverlap(t *testing.T) {
	var p nn.Pass
	for range 3 { // the second pass runs in the memory of the first
		p.Begin()
		var held [][]float32
		for i, n := range []int{1, 17, 100_000, 3, 1 << 14, 5} {
			mark := p.Mark()
			for range 3 {
				clear(p.Floats(n)) // freed below, so it may be overwritten
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
				t.Fatalf("slice %d was handed out twice", i)
			}
		}
	}
}

func TestPassReusesMemory(t *testing.T) {
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
		t.Errorf("bytes grow with each pass: %v", bytes)
	}
	if most := 4 * (80_000 + 10*1_024); bytes[3] > most {
		t.Errorf("%d bytes, but at most %d were handed out", bytes[3], most)
	}
}

func TestPoolCountsEveryPass(t *testing.T) {
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
		t.Errorf("%d bytes after ten more passes in sequence, want %d", got, 3*each)
	}
}

func TestPoolSharesNoPass(t *testing.T) {
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
