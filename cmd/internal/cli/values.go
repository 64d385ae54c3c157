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
	"github.com/spf13/pflag"
)

// PositiveFloat is a flag's positive number.
type PositiveFloat float64

func (p *PositiveFloat) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return errors.New("give a positive number")
	}
	*p = PositiveFloat(v)
	return nil
}

func (p *PositiveFloat) String() string { return strconv.FormatFloat(float64(*p), 'g', -1, 64) }
func (p *PositiveFloat) Type() string   { return "float" }

// SizeValue is a flag's number of bytes, such as 4GiB, 512MB or 1000. Zero means
// that none was given.
type SizeValue int64

func (s *SizeValue) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return errors.New("give a size such as 4GiB")
	}
	*s = SizeValue(n)
	return nil
}

func (s *SizeValue) String() string {
	if *s == 0 {
		return ""
	}
	return strings.NewReplacer(" ", "", ".0 ", "").Replace(humanize.IBytes(uint64(*s)))
}

func (s *SizeValue) Type() string { return "size" }

// CountValue is a flag's whole number of 1 or more. Zero means that none was given.
type CountValue int

// Count returns a flag value that sets *n, and sets it to the default.
func Count(n *int, value int) pflag.Value {
	*n = value
	return (*CountValue)(n)
}

func (c *CountValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("give a whole number of 1 or more")
	}
	*c = CountValue(n)
	return nil
}

func (c *CountValue) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.Itoa(int(*c))
}

func (c *CountValue) Type() string { return "int" }

type durationValue struct {
	d      *time.Duration
	zeroOK bool
}

// Duration returns a flag value of 0s or more that sets *d, and sets it to the
// default.
func Duration(d *time.Duration, value time.Duration) pflag.Value {
	*d = value
	return &durationValue{d, true}
}

// PositiveDuration is Duration without 0s.
func PositiveDuration(d *time.Duration, value time.Duration) pflag.Value {
	*d = value
	return &durationValue{d, false}
}

func (v *durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d == 0 && !v.zeroOK {
		return errors.New("give a duration such as 30s")
	}
	*v.d = d
	return nil
}

func (v *durationValue) String() string { return v.d.String() }
func (v *durationValue) Type() string   { return "duration" }

type choiceValue struct {
	word    *string
	choices []string
}

// Choice returns a flag value that sets *word to one of the choices, and sets it
// to the default.
func Choice(word *string, value string, choices ...string) pflag.Value {
	*word = value
	return &choiceValue{word, choices}
}

func (c *choiceValue) Set(text string) error {
	if !slices.Contains(c.choices, text) {
		return fmt.Errorf("use %s", strings.Join(c.choices, ", "))
	}
	*c.word = text
	return nil
}

func (c *choiceValue) String() string { return *c.word }
func (c *choiceValue) Type() string   { return strings.Join(c.choices, "|") }
