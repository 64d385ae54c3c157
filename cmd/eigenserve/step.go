package main

import (
	"errors"
	"math"
	"strconv"
)

// stepValue is a flag's positive number.
type stepValue float64

func (s *stepValue) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return errors.New("give a positive number")
	}
	*s = stepValue(v)
	return nil
}

func (s *stepValue) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *stepValue) Type() string   { return "float" }
