package rans

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// The tables are the same on every architecture, so that streams can be exchanged.
func TestGoldenTables(t *testing.T) {
	for v, want := range map[int]string{
		1: "8f0274aaf872ad3b582ad1324ba3d5b48636faa589baf350a0b4a145dd199fff",
		2: "38ca4bd29de6fce22901f92fdf7e5e7007c0322c7bac909778f8c9fa0f0221d6",
	} {
		hash := sha256.New()
		for bucket := range buckets {
			table := versions[v].of(bucket)
			binary.Write(hash, binary.LittleEndian, uint32(table.shift))
			binary.Write(hash, binary.LittleEndian, table.values.edges)
			if table.runs != nil {
				binary.Write(hash, binary.LittleEndian, table.runs.edges)
			}
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != want {
			t.Errorf("tables of version %d changed: %s; raise the version and add a hash", v, got)
		}
	}
}

func TestTablesUseAllSlots(t *testing.T) {
	check := func(bucket int, s *slots, from int) {
		t.Helper()
		if s.edges[from] != 0 || s.edges[len(s.edges)-1] != probOne {
			t.Fatalf("bucket %d: slots from %d to %d", bucket, s.edges[from], s.edges[len(s.edges)-1])
		}
		symbol := from
		for slot := range uint32(probOne) {
			for s.edges[symbol+1] <= slot {
				symbol++
			}
			if got := s.find(slot); got != symbol {
				t.Fatalf("bucket %d: slot %d belongs to symbol %d, found %d", bucket, slot, symbol, got)
			}
		}
		for symbol := from; symbol+1 < len(s.edges); symbol++ {
			if s.edges[symbol] >= s.edges[symbol+1] {
				t.Fatalf("bucket %d: symbol %d has no slots", bucket, symbol)
			}
		}
	}
	for bucket := versions[version].minBucket; bucket < buckets; bucket += 5 {
		table := versions[version].of(bucket)
		if table.runs == nil {
			check(bucket, &table.values, 0)
			continue
		}
		check(bucket, &table.values, 1)
		check(bucket, table.runs, 0)
		if n := table.runs.longest(); n > longestRun || n < 8 {
			t.Errorf("bucket %d: longest run %d", bucket, n)
		}
	}
}

func TestBuckets(t *testing.T) {
	for scale, want := range map[float32]int{
		0: 0, math.SmallestNonzeroFloat32: 0, 1.5 / 64: 0, 1.625 / 64: 1, 1: 44, 1.124: 44, 1.125: 45,
		math.MaxFloat32: buckets - 1, float32(math.Inf(1)): buckets - 1,
	} {
		if got := bucketOf(scale); got != want {
			t.Errorf("bucketOf(%g) = %d, want %d", scale, got, want)
		}
	}
	for bucket := range buckets {
		if got := bucketOf(float32(bucketScale(bucket))); got != bucket {
			t.Errorf("the scale of bucket %d is in bucket %d", bucket, got)
		}
	}
}
