package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// sizeValue is a flag's number of bytes: 4GiB, 512MB, 1000.
type sizeValue int64

func (s *sizeValue) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return errors.New("give a size such as 4GiB")
	}
	*s = sizeValue(n)
	return nil
}

// String is "" where nothing was given, which is then no size.
func (s *sizeValue) String() string {
	if *s == 0 {
		return ""
	}
	return strings.NewReplacer(" ", "", ".0 ", "").Replace(humanize.IBytes(uint64(*s)))
}

func (s *sizeValue) Type() string { return "size" }

// countValue is a flag's number of things, one or more.
type countValue int

func (c *countValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("give a number from 1 on")
	}
	*c = countValue(n)
	return nil
}

// String is "" where nothing was given, which is then no number.
func (c *countValue) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.Itoa(int(*c))
}

func (c *countValue) Type() string { return "int" }

// count makes a countValue, with its default.
func count(n *int, first int) *countValue {
	*n = first
	return (*countValue)(n)
}

// timeValue is a flag's duration. Zero is one where it means something.
type timeValue struct {
	d    *time.Duration
	zero bool
}

// limit makes the duration that something may take, with its default.
func limit(d *time.Duration, first time.Duration) *timeValue {
	*d = first
	return &timeValue{d, false}
}

// delay makes a duration that may be none, with its default.
func delay(d *time.Duration, first time.Duration) *timeValue {
	*d = first
	return &timeValue{d, true}
}

func (t *timeValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d == 0 && !t.zero {
		return errors.New("give a duration such as 30s")
	}
	*t.d = d
	return nil
}

func (t *timeValue) String() string { return t.d.String() }
func (t *timeValue) Type() string   { return "duration" }

// choiceValue is a flag's word out of some.
type choiceValue struct {
	word *string
	of   []string
}

// choice makes one, with its default.
func choice(word *string, first string, of ...string) *choiceValue {
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
func (c *choiceValue) Type() string   { return strings.Join(c.of, "|") }
