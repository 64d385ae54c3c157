package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"eigenserve/cmd/internal/cli"
)

// Each flag of serve is a setting, which may also come from the environment
// (--weight-cache from EIGENSERVE_WEIGHT_CACHE) or from the YAML file that
// --config names (weight-cache: 4GiB). A flag wins over the environment, the
// environment over the file, the file over the default.

const environmentPrefix = "EIGENSERVE_"

// otherVariables have our prefix and are no settings of serve.
var otherVariables = []string{"EIGENSERVE_ISA", "EIGENSERVE_TOKEN"}

// notInFile are flags that say what to do with the settings.
var notInFile = []string{"config", "check-config", "help"}

// Settings are the flags of a command, with where each value came from.
type Settings struct {
	Flags *pflag.FlagSet
	from  map[string]string
}

// Collect takes what the environment and the file say of flags that were not
// given. unknown are variables that look like settings and are none: a cluster
// sets some for every service, so they are worth a word and no more.
func Collect(cmd *cobra.Command, environ []string) (s Settings, unknown []string, err error) {
	s = Settings{cmd.Flags(), map[string]string{}}
	s.Flags.Visit(func(f *pflag.Flag) { s.from[f.Name] = "flag" })
	unknown, err = s.takeEnvironment(environ)
	if err != nil {
		return s, nil, err
	}
	if file := s.Flags.Lookup("config").Value.String(); file != "" {
		err = s.takeFile(file)
	}
	return s, unknown, err
}

func Variable(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (s Settings) takeEnvironment(environ []string) (unknown []string, err error) {
	known := map[string]*pflag.Flag{}
	s.Flags.VisitAll(func(f *pflag.Flag) { known[Variable(f.Name)] = f })
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environmentPrefix) || slices.Contains(otherVariables, name) || value == "" {
			continue
		}
		f := known[name]
		if f == nil {
			unknown = append(unknown, name)
			continue
		}
		if s.from[f.Name] != "" {
			continue
		}
		if err := s.Flags.Set(f.Name, value); err != nil {
			return nil, cli.Usagef("%s: %v", name, valueError(err))
		}
		s.from[f.Name] = "environment"
	}
	return unknown, nil
}

// valueError is why a flag's value is wrong, without pflag's words for the flag.
func valueError(err error) error {
	if invalid, ok := err.(*pflag.InvalidValueError); ok {
		return fmt.Errorf("%q: %w", invalid.GetValue(), invalid.Unwrap())
	}
	return err
}

// takeFile reads a file of the form "flag: value", where the value of a flag that
// may be given many times may be a list.
func (s Settings) takeFile(file string) error {
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
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if err := s.takeSetting(key.Value, value, seen); err != nil {
			return fmt.Errorf("config: %s:%d: %w", file, key.Line, err)
		}
		seen[key.Value] = true
	}
	return nil
}

func (s Settings) takeSetting(name string, value *yaml.Node, seen map[string]bool) error {
	f := s.Flags.Lookup(name)
	if f == nil || slices.Contains(notInFile, name) {
		return fmt.Errorf("%q is no setting; `eigenserve serve --help` lists them", name)
	}
	if seen[name] {
		return fmt.Errorf("%s is set twice", name)
	}
	if s.from[name] != "" {
		return nil // what wins over the file has been taken
	}
	list, err := scalars(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.from[name] = "file"
	f.Changed = true
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.Replace(list)
	}
	if len(list) != 1 {
		return fmt.Errorf("%s: give one value", name)
	}
	if err := f.Value.Set(list[0]); err != nil {
		return fmt.Errorf("%s: %q: %w", name, list[0], err)
	}
	return nil
}

// scalars are a value's words: one, or those of a list.
func scalars(value *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		nodes = value.Content
	}
	var out []string
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: a word, a number, or a list of them is needed", n.Line)
		}
		out = append(out, n.Value)
	}
	return out, nil
}

// Print shows every setting, its value, and where it came from.
func (s Settings) Print(w io.Writer) error {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	s.Each(func(f *pflag.Flag) {
		from := s.from[f.Name]
		if from == "" {
			from = "default"
		}
		rows = append(rows, []string{f.Name, f.Value.String(), from})
	})
	return cli.Table(w, rows)
}

// Each visits the flags that are settings, by name.
func (s Settings) Each(visit func(*pflag.Flag)) {
	s.Flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && !slices.Contains(notInFile, f.Name) {
			visit(f)
		}
	})
}

// Markdown prints a table of the settings.
func (s Settings) Markdown(w io.Writer) error {
	_, err := fmt.Fprintln(w, "| flag, and key of the file | variable | default | what |\n|---|---|---|---|")
	s.Each(func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		_, err = fmt.Fprintf(w, "| `--%s`%s | `%s` | %s | %s |\n", f.Name, kindText(kind), Variable(f.Name), defaultText(f), strings.ReplaceAll(usage, "|", `\|`))
	})
	return err
}

func kindText(kind string) string {
	if kind == "" {
		return ""
	}
	return " " + strings.ReplaceAll(kind, "|", `\|`)
}

func defaultText(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "0", "false":
		return ""
	}
	return "`" + f.DefValue + "`"
}
