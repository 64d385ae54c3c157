package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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

func (c *countValue) String() string { return strconv.Itoa(int(*c)) }
func (c *countValue) Type() string   { return "int" }

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
