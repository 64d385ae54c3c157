package kernel

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// A level is an instruction set that kernels are written for. Each level includes
// the ones below it.
type level uint8

const (
	generic    level = iota
	avx2             // AVX2, FMA and F16C
	avx512           // AVX-512 F, BW, DQ and VL
	avx512bf16       // and BF16 dot products
	amx              // and BF16 tiles
)

var levelNames = []string{"generic", "avx2", "avx512", "avx512bf16", "amx"}

// isaVariable is the environment variable that selects an instruction set.
const isaVariable = "EIGENSERVE_ISA"

var (
	// isa is the level in use. Only init and tests write it.
	isa level
	// levels are those that the machine has and whose kernels passed the
	// self-test, in ascending order.
	levels = []level{generic}
	errISA error
)

func init() {
	levels = passing(detect())
	isa, errISA = choose(os.Getenv(isaVariable))
	if errISA != nil {
		slog.Error("the instruction set that was asked for is not available", "using", ISA(), "error", errISA)
	}
}

// passing returns the levels whose kernels agree with the generic ones.
func passing(found []level) []level {
	passed := found[:0]
	for _, l := range found {
		isa = l
		if err := selfTest(); err != nil {
			slog.Warn("an instruction set failed its self-test and is not used", "isa", levelNames[l], "error", err)
			continue
		}
		passed = append(passed, l)
	}
	return passed
}

// choose returns the named level, or the best one if name is empty.
func choose(name string) (level, error) {
	best := levels[len(levels)-1]
	if name == "" {
		return best, nil
	}
	if l := slices.Index(levelNames, name); l >= 0 && slices.Contains(levels, level(l)) {
		return level(l), nil
	}
	return best, fmt.Errorf("%s=%q is not available on this machine: use %s", isaVariable, name, strings.Join(Available(), ", "))
}

// ISA returns the name of the instruction set that the kernels use.
func ISA() string { return levelNames[isa] }

// CheckISA returns an error if the environment variable EIGENSERVE_ISA names an
// instruction set that this machine lacks or whose kernels failed their self-test.
// The kernels then use the best one available.
func CheckISA() error { return errISA }

// Available returns the instruction sets that EIGENSERVE_ISA may name, slowest
// first.
func Available() []string {
	names := make([]string, len(levels))
	for i, l := range levels {
		names[i] = levelNames[l]
	}
	return names
}

// MultipliesBF16 reports whether the processor multiplies BF16 itself. Elsewhere
// BF16 products are correct but no faster than float32 ones.
func MultipliesBF16() bool { return multipliesBF16() }
