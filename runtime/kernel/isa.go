package kernel

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// A level is an instruction set that kernels are written for; each includes the
// ones below it.
type level uint8

const (
	generic    level = iota
	avx2             // AVX2, FMA and F16C
	avx512           // AVX-512 F, BW, DQ and VL
	avx512bf16       // and BF16 products
	amx              // and tiles of BF16
)

var levelNames = []string{"generic", "avx2", "avx512", "avx512bf16", "amx"}

// isaVariable names the environment variable that forces an instruction set.
const isaVariable = "EIGENSERVE_ISA"

var (
	// isa is what the kernels run on. It is written at start only (and by tests).
	isa level
	// levels are those that the machine has and whose kernels passed the
	// self-test, ascending.
	levels = []level{generic}
	errISA error
)

func init() {
	levels = passing(detect())
	isa, errISA = choose(os.Getenv(isaVariable))
	if errISA != nil {
		slog.Error("kernel: falling back", "isa", ISA(), "error", errISA)
	}
}

// passing drops the levels with a kernel that differs from the generic one.
func passing(found []level) []level {
	passed := found[:0]
	for _, l := range found {
		isa = l
		if err := selfTest(); err != nil {
			slog.Warn("kernel: instruction set steps aside", "isa", levelNames[l], "error", err)
			continue
		}
		passed = append(passed, l)
	}
	return passed
}

// choose returns the best level, or the one that is asked for by name.
func choose(name string) (level, error) {
	best := levels[len(levels)-1]
	if name == "" {
		return best, nil
	}
	if l := slices.Index(levelNames, name); l >= 0 && slices.Contains(levels, level(l)) {
		return level(l), nil
	}
	return best, fmt.Errorf("kernel: %s=%q is not available, only %s", isaVariable, name, strings.Join(Available(), ", "))
}

// ISA is the name of the instruction set that the kernels run on.
func ISA() string { return levelNames[isa] }

// CheckISA returns an error when the environment variable EIGENSERVE_ISA asks
// for an instruction set that this machine lacks or whose kernels failed their
// self-test. The kernels then run on the best there is.
func CheckISA() error { return errISA }

// Available names the instruction sets that EIGENSERVE_ISA may ask for,
// slowest first.
func Available() []string {
	names := make([]string, len(levels))
	for i, l := range levels {
		names[i] = levelNames[l]
	}
	return names
}

// MultipliesBF16 tells whether the processor multiplies BF16 itself. Elsewhere
// BF16 products are right but no faster than float32 ones.
func MultipliesBF16() bool { return multipliesBF16() }
