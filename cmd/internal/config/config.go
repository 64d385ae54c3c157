// Package config reads the settings of a server. Each flag is a setting, which may also
// come from the environment (--weight-cache from EIGENSERVE_WEIGHT_CACHE) or from the
// YAML file that --config names (weight-cache: 4GiB). A flag takes precedence over the
// environment, the environment over the file, the file over the default. It does not
// know what the settings mean: the commands define the flags and check their values.
package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"eigenserve/cmd/internal/cli"
)

const environmentPrefix = "EIGENSERVE_"

// otherVariables have our prefix but are not settings.
var otherVariables = []string{"EIGENSERVE_ISA", "EIGENSERVE_TOKEN"}

// notSettings are flags that say what to do with the settings.
var notSettings = []string{"config", "check-config", "help"}

// Variable returns the environment variable of a flag.
func Variable(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Each calls visit for every flag that is a setting, by name.
func Each(flags *pflag.FlagSet, visit func(*pflag.Flag)) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && !slices.Contains(notSettings, f.Name) {
			visit(f)
		}
	})
}

// Settings are the flags of a command and where their values came from.
type Settings struct {
	flags  *pflag.FlagSet
	source map[string]string // by flag: "flag", "environment" or "file"
	notes  io.Writer         // for settings under old names
}

// Collect sets the flags that were not given on the command line from the
// environment and the file. It writes a line to notes for each setting under an old
// name. It returns the variables that have our prefix but are not settings: a
// cluster defines some for every service, so they are no error.
func Collect(flags *pflag.FlagSet, environ []string, notes io.Writer) (s *Settings, unknown []string, err error) {
	s = &Settings{flags, map[string]string{}, notes}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			s.source[f.Name] = "flag"
		}
	})
	unknown, err = s.takeEnvironment(environ)
	if err != nil {
		return s, nil, err
	}
	if file := flags.Lookup("config").Value.String(); file != "" {
		err = s.takeFile(file)
	}
	return s, unknown, err
}

func (s *Settings) takeEnvironment(environ []string) (unknown []string, err error) {
	known := map[string]string{} // flags by variable
	s.flags.VisitAll(func(f *pflag.Flag) { known[Variable(f.Name)] = f.Name })
	seen := map[string]string{} // variables by setting
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(variable, environmentPrefix) || slices.Contains(otherVariables, variable) || value == "" {
			continue
		}
		name := known[variable]
		if name == "" {
			unknown = append(unknown, variable)
			continue
		}
		f, err := s.resolve(name, seen, Variable)
		if err != nil {
			return nil, err
		}
		if s.source[f.Name] != "" {
			continue
		}
		if err := s.flags.Set(f.Name, value); err != nil {
			return nil, cli.Usagef("%s: %v", variable, valueError(err))
		}
		s.source[f.Name] = "environment"
	}
	return unknown, nil
}

// resolve returns the flag of that name, or the one that name is an old name of.
// seen holds the names of settings that the same source has given; spell says how
// that source spells a flag's name.
func (s *Settings) resolve(name string, seen map[string]string, spell func(string) string) (*pflag.Flag, error) {
	f := s.flags.Lookup(name)
	if now := cli.RenamedTo(f); now != "" {
		f = s.flags.Lookup(now)
		cli.ReportOldName(s.notes, spell(name), spell(now))
	}
	other := seen[f.Name]
	seen[f.Name] = name
	switch other {
	case "", name:
		return f, nil
	case f.Name:
		return nil, cli.BothNames(spell(name), spell(f.Name))
	}
	return nil, cli.BothNames(spell(other), spell(f.Name))
}

// valueError returns why a flag's value is wrong, without pflag's words about the
// flag.
func valueError(err error) error {
	if invalid, ok := err.(*pflag.InvalidValueError); ok {
		return fmt.Errorf("%q: %w", invalid.GetValue(), invalid.Unwrap())
	}
	return err
}

// takeFile reads a YAML file of "flag: value" lines. A flag that may be given
// several times may have a list of values.
func (s *Settings) takeFile(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	var document yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&document); err == io.EOF {
		return nil // an empty file
	} else if err != nil {
		return fmt.Errorf("config: %s: %w", file, err)
	}
	if d.Decode(new(yaml.Node)) != io.EOF {
		return fmt.Errorf("config: %s holds more than one document", file)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("config: %s:%d: write settings as name: value", file, root.Line)
	}
	seen, keys := map[string]string{}, map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if keys[key.Value] {
			return fmt.Errorf("config: %s:%d: %s is set twice", file, key.Line, key.Value)
		}
		keys[key.Value] = true
		if err := s.takeEntry(key.Value, value, seen); err != nil {
			return fmt.Errorf("config: %s:%d: %w", file, key.Line, err)
		}
	}
	return nil
}

func (s *Settings) takeEntry(name string, value *yaml.Node, seen map[string]string) error {
	if s.flags.Lookup(name) == nil || slices.Contains(notSettings, name) {
		return fmt.Errorf("unknown setting %q; `eigenserve serve --help` lists them", name)
	}
	f, err := s.resolve(name, seen, func(name string) string { return name })
	if err != nil {
		return err
	}
	if s.source[f.Name] != "" {
		return nil // given by a flag or by the environment
	}
	values, err := scalars(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.source[f.Name] = "file"
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("%s: give one value", name)
	}
	if err := f.Value.Set(values[0]); err != nil {
		return fmt.Errorf("%s: %q: %w", name, values[0], err)
	}
	return nil
}

// scalars returns a scalar's text, or the texts of a list of scalars.
func scalars(value *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		nodes = value.Content
	}
	var out []string
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: give a word, a number, or a list of them", n.Line)
		}
		out = append(out, n.Value)
	}
	return out, nil
}

// Print writes a table of the settings, their values and where they came from.
func (s *Settings) Print(w io.Writer) error {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	Each(s.flags, func(f *pflag.Flag) {
		source := s.source[f.Name]
		if source == "" {
			source = "default"
		}
		rows = append(rows, []string{f.Name, f.Value.String(), source})
	})
	return cli.Table(w, rows)
}

// Markdown writes a Markdown table of the settings and their defaults.
func Markdown(w io.Writer, flags *pflag.FlagSet) error {
	_, err := fmt.Fprintln(w, "| flag, and key of the file | variable | default | what |\n|---|---|---|---|")
	Each(flags, func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			kind = " " + kind
		}
		_, err = fmt.Fprintf(w, "| `--%s`%s | `%s` | %s | %s |\n", f.Name, escaped(kind), Variable(f.Name), defaultText(f), escaped(usage))
	})
	return err
}

func escaped(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// defaultText returns a flag's default, or "" if it means that nothing is set.
func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "0", "false":
		return ""
	}
	return "`" + f.DefValue + "`"
}
