package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"eigenserve/runtime"
)

// stepFlag declares --step, which is 0 where it isn't given: the basis's own.
func stepFlag(cmd *cobra.Command, step *float64, what string) {
	cmd.Flags().Var((*stepValue)(step), "step", fmt.Sprintf("%s, in root-mean-square coefficients: larger is smaller and coarser (default %g, or %g without a metric)",
		what, float64(runtime.DefaultStep), runtime.DefaultStepNoMetric))
}

// stepValue is a flag's positive number.
type stepValue float64

func (s *stepValue) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) {
		return errors.New("give a positive number")
	}
	*s = stepValue(v)
	return nil
}

func (s *stepValue) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *stepValue) Type() string   { return "float" }
