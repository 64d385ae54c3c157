package kernel

import (
	"os"
	"testing"
)

// CI runs this test to learn whether the machine has an instruction set.
func TestForcedISAIsUsed(t *testing.T) {
	if err := CheckISA(); err != nil {
		t.Fatal(err)
	}
	if forced := os.Getenv(isaVariable); forced != "" && ISA() != forced {
		t.Fatalf("kernels use %s, want %s", ISA(), forced)
	}
}

func TestChooseRefusesUnknownISA(t *testing.T) {
	if l, err := choose("mmx"); err == nil || l != levels[len(levels)-1] {
		t.Fatalf("choose(mmx) = %v, %v", l, err)
	}
}
