package runtime

import (
	"eigenserve/models/nn"
	"eigenserve/runtime/kernel"
)

// Compute names the arithmetic of forward passes.
type Compute string

const (
	// ComputeF32 keeps and multiplies weights in float32.
	ComputeF32 Compute = "f32"
	// ComputeBF16 keeps and multiplies weights in BF16 and sums in float32:
	// slabs are half as large.
	ComputeBF16 Compute = "bf16"
	// ComputeAuto is ComputeBF16 where the processor multiplies BF16 itself,
	// else ComputeF32.
	ComputeAuto Compute = "auto"
)

// precision is what slabs are in.
func (c Compute) precision() (nn.Precision, error) {
	switch c {
	case ComputeF32, "":
		return nn.Float32, nil
	case ComputeBF16:
		return nn.BFloat16, nil
	case ComputeAuto:
		if kernel.MultipliesBF16() {
			return nn.BFloat16, nil
		}
		return nn.Float32, nil
	}
	return 0, Errorf(Invalid, "compute %q: use auto, f32 or bf16", string(c))
}

// ISA is the instruction set that the kernels run on.
func ISA() string { return kernel.ISA() }
