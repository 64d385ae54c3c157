package cli

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// renamedTo is the annotation of an old name: the flag's name now.
const renamedTo = "renamed-to"

// KeepOldName makes old another name of the flag called name. Help does not show
// it, and ReportOldNames says what to write instead.
func KeepOldName(flags *pflag.FlagSet, old, name string) {
	f := flags.Lookup(name)
	flags.AddFlag(&pflag.Flag{Name: old, Usage: "the old name of --" + name, Value: f.Value, DefValue: f.DefValue,
		Hidden: true, Annotations: map[string][]string{renamedTo: {name}}})
}

// RenamedTo returns the name of the flag that f is an old name of, or "".
func RenamedTo(f *pflag.Flag) string {
	if to := f.Annotations[renamedTo]; len(to) > 0 {
		return to[0]
	}
	return ""
}

// ReportOldNames writes a line to w for each flag that was given by an old name,
// and marks it as given. A flag that was given by both names is an error.
func ReportOldNames(flags *pflag.FlagSet, w io.Writer) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		name := RenamedTo(f)
		switch {
		case name == "" || err != nil:
		case flags.Changed(name):
			err = BothNames("--"+f.Name, "--"+name)
		default:
			flags.Lookup(name).Changed = true
			ReportOldName(w, "--"+f.Name, "--"+name)
		}
	})
	return err
}

// ReportOldName says on w what an old name of a setting is called now.
func ReportOldName(w io.Writer, old, name string) {
	fmt.Fprintf(w, "eigenserve: %s is now %s\n", old, name)
}

// BothNames is the error for a setting that was given by its old and its new name.
func BothNames(old, name string) error {
	return Usagef("%s is now %s: give one of them, not both", old, name)
}
