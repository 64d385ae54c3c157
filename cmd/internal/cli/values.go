package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// PositiveFloat is a flag's positive number.
type PositiveFloat float64

func (s *PositiveFloat) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return errors.New("give a positive number")
	}
	*s = PositiveFloat(v)
	return nil
}

func (s *PositiveFloat) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

func (s *PositiveFloat) Type() string { return "float" }

// SizeValue is a flag's number of bytes: 4GiB, 512MB, 1000.
type SizeValue int64

func (s *SizeValue) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return errors.New("give a size such as 4GiB")
	}
	*s = SizeValue(n)
	return nil
}

// String is "" where nothing was given, which is then no size.
func (s *SizeValue) String() string {
	if *s == 0 {
		return ""
	}
	return strings.NewReplacer(" ", "", ".0 ", "").Replace(humanize.IBytes(uint64(*s)))
}

func (s *SizeValue) Type() string { return "size" }

// CountValue is a flag's number of things, one or more.
type CountValue int

func (c *CountValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("give a number from 1 on")
	}
	*c = CountValue(n)
	return nil
}

// String is "" where nothing was given, which is then no number.
func (c *CountValue) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.Itoa(int(*c))
}

func (c *CountValue) Type() string { return "int" }

// Count makes a countValue, with its default.
func Count(n *int, first int) *CountValue {
	*n = first
	return (*CountValue)(n)
}

// durationValue is a flag's duration. Zero is one where it means something.
type durationValue struct {
	d    *time.Duration
	zero bool
}

// PositiveDuration makes the duration that something may take, with its default.
func PositiveDuration(d *time.Duration, first time.Duration) *durationValue {
	*d = first
	return &durationValue{d, false}
}

// Duration makes a duration that may be none, with its default.
func Duration(d *time.Duration, first time.Duration) *durationValue {
	*d = first
	return &durationValue{d, true}
}

func (t *durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d == 0 && !t.zero {
		return errors.New("give a duration such as 30s")
	}
	*t.d = d
	return nil
}

func (t *durationValue) String() string { return t.d.String() }

func (t *durationValue) Type() string { return "duration" }

// choiceValue is a flag's word out of some.
type choiceValue struct {
	word *string
	of   []string
}

// Choice makes one, with its default.
func Choice(word *string, first string, of ...string) *choiceValue {
	*word = first
	return &choiceValue{word, of}
}

func (c *choiceValue) Set(text string) error {
	if !slices.Contains(c.of, text) {
		return fmt.Errorf("use %s", strings.Join(c.of, ", "))
	}
	*c.word = text
	return nil
}

func (c *choiceValue) String() string { return *c.word }

func (c *choiceValue) Type() string { return strings.Join(c.of, "|") }
