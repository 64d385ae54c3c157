package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/config"
)

// oldNames are the settings of serve that had other names.
var oldNames = map[string]string{
	"max-variant": "max-variant-upload", "max-checkpoint": "max-checkpoint-upload", "max-image": "max-image-upload",
	"max-bodies": "upload-memory", "max-bytes": "variant-budget",
}

// TestOldNames sets each setting by its old name: it works, and a line says what it is
// called now. Both names together are an error of usage.
func TestOldNames(t *testing.T) {
	dir := emptyStore(t)
	check := func(t *testing.T, args []string, name, note, source string) {
		t.Helper()
		status, out, errs := program(t, append([]string{"serve", "--store", dir, "--check-config"}, args...)...)
		value, from := settingOf(out, name)
		if status != 0 || value != "3KiB" || from != source || errs != "eigenserve: "+note+"\n" {
			t.Errorf("status %d, %s is %q from %q, %q; want the note %q", status, name, value, from, errs, note)
		}
	}
	refuse := func(t *testing.T, args []string, says string) {
		t.Helper()
		status, out, errs := program(t, append([]string{"serve", "--store", dir, "--check-config"}, args...)...)
		if status != 2 || !strings.Contains(errs, says) || !strings.Contains(errs, "not both") || out != "" {
			t.Errorf("status %d, %q", status, errs)
		}
	}
	for old, name := range oldNames {
		t.Run(old, func(t *testing.T) {
			check(t, []string{"--" + old, "3KiB"}, name, "--"+old+" is now --"+name, "flag")
			refuse(t, []string{"--" + old, "3KiB", "--" + name, "3KiB"}, "--"+old+" is now --"+name)

			file := write(t, "old.yaml", old+": 3KiB\n")
			check(t, []string{"--config", file}, name, old+" is now "+name, "file")
			refuse(t, []string{"--config", write(t, "both.yaml", name+": 3KiB\n"+old+": 3KiB\n")}, "both.yaml:2: "+old+" is now "+name)
			refuse(t, []string{"--config", write(t, "reversed.yaml", old+": 3KiB\n"+name+": 3KiB\n")}, "reversed.yaml:2: "+old+" is now "+name)

			t.Setenv(config.Variable(old), "3KiB")
			check(t, nil, name, config.Variable(old)+" is now "+config.Variable(name), "environment")
			t.Setenv(config.Variable(name), "3KiB")
			refuse(t, nil, config.Variable(old)+" is now "+config.Variable(name))
		})
	}
}

// TestOldNamesYield checks that an old name follows the order of precedence: a flag wins
// over an old variable.
func TestOldNamesYield(t *testing.T) {
	t.Setenv("EIGENSERVE_MAX_IMAGE", "3KiB")
	out := must(t, "serve", "--store", emptyStore(t), "--check-config", "--max-image-upload", "4KiB")
	if value, from := settingOf(out, "max-image-upload"); value != "4KiB" || from != "flag" {
		t.Errorf("max-image-upload is %q from %q", value, from)
	}
}

// TestOldNamesAreHidden checks that help shows no old name, and that all are tested.
func TestOldNamesAreHidden(t *testing.T) {
	for _, command := range []string{"serve", "demo", "fit", "add", "refit"} {
		out := must(t, command, "--help")
		for old := range oldNames {
			if strings.Contains(out, "--"+old+" ") {
				t.Errorf("the help of %s shows --%s", command, old)
			}
		}
	}
	(&Main{}).serve().Flags().VisitAll(func(f *pflag.Flag) {
		if name := cli.RenamedTo(f); name != "" && oldNames[f.Name] != name {
			t.Errorf("--%s is not tested", f.Name)
		}
	})
}

// TestOldGateFlag checks the old name of --variant-budget where variants are made.
func TestOldGateFlag(t *testing.T) {
	own := makeCheckpoints(t, t.TempDir(), 3, 1)
	dir := filepath.Join(t.TempDir(), "store")
	must(t, append([]string{"fit", "--store", dir, "--family", "f", "--metric", "none", "--step", "2"}, own[:2]...)...)
	for _, command := range []string{"fit", "add", "refit"} {
		args := []string{command, "--store", dir, "--family", "f", "--max-bytes", "10", own[2]}
		if command != "add" {
			args = append(args, "--metric", "none")
		}
		status, _, errs := program(t, args...)
		if status != 1 && command != "refit" || !strings.HasPrefix(errs, "eigenserve: --max-bytes is now --variant-budget\n") {
			t.Errorf("%s: status %d, %q", command, status, errs)
		}
		if command != "refit" && !strings.Contains(errs, "raise --variant-budget") && !strings.Contains(errs, "Raise --variant-budget") {
			t.Errorf("%s does not advise --variant-budget: %q", command, errs)
		}
		if status, _, errs := program(t, append(args, "--variant-budget", "10")...); status != 2 || !strings.Contains(errs, "not both") {
			t.Errorf("%s with both: status %d, %q", command, status, errs)
		}
	}
}
