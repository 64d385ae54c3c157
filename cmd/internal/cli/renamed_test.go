package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"eigenserve/cmd/internal/cli"
)

func TestOldNames(t *testing.T) {
	for name, c := range map[string]struct {
		args        []string
		value, says string
		changed     bool
	}{
		"neither":  {nil, "1KiB", "", false},
		"new":      {[]string{"--budget", "2KiB"}, "2KiB", "", true},
		"old":      {[]string{"--max", "3KiB"}, "3KiB", "eigenserve: --max is now --budget\n", true},
		"old, =":   {[]string{"--max=3KiB"}, "3KiB", "eigenserve: --max is now --budget\n", true},
		"both":     {[]string{"--budget", "2KiB", "--max", "3KiB"}, "", "not both", true},
		"reversed": {[]string{"--max", "3KiB", "--budget", "2KiB"}, "", "not both", true},
	} {
		t.Run(name, func(t *testing.T) {
			size := cli.SizeValue(1 << 10)
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			flags.Var(&size, "budget", "bytes")
			cli.KeepOldName(flags, "max", "budget")
			if usage := flags.FlagUsages(); strings.Contains(usage, "max") {
				t.Errorf("help shows the old name: %s", usage)
			}
			if err := flags.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			err := cli.ReportOldNames(flags, &out)
			if c.value == "" {
				if !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), c.says) || out.Len() > 0 {
					t.Errorf("error %v, output %q", err, &out)
				}
				return
			}
			if err != nil || out.String() != c.says || size.String() != c.value || flags.Changed("budget") != c.changed {
				t.Errorf("error %v, output %q, value %s, changed %v", err, &out, &size, flags.Changed("budget"))
			}
		})
	}
}
