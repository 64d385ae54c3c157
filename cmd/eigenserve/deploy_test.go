package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"eigenserve/cmd/internal/config"
)

const deployDir = root + "/.deploy"

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(deployDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestDeploymentSettings checks that the unit and the image use flags and variables that
// exist, by their current names.
func TestDeploymentSettings(t *testing.T) {
	flags := (&Main{}).serve().Flags()
	variables := map[string]bool{}
	config.Each(flags, func(f *pflag.Flag) { variables[config.Variable(f.Name)] = true })
	for _, name := range []string{"Dockerfile", "eigenserve.service"} {
		text := readDeploy(t, name)
		used := regexp.MustCompile(`EIGENSERVE_[A-Z_]+`).FindAllString(text, -1)
		for _, v := range used {
			if !variables[v] {
				t.Errorf("%s sets %s, which is not a setting", name, v)
			}
		}
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "Exec") && !strings.HasPrefix(line, "CMD") {
				continue
			}
			for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(line, -1) {
				if f := flags.Lookup(flag[1]); f == nil || f.Hidden {
					t.Errorf("%s gives --%s, which is not a flag", name, flag[1])
				}
			}
		}
		if len(used) == 0 {
			t.Errorf("%s sets nothing", name)
		}
	}
}

// TestUnitIsValid has systemd verify the unit, with this program instead of the installed
// one.
func TestUnitIsValid(t *testing.T) {
	if testing.Short() {
		t.Skip("runs systemd's verifier")
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "eigenserve.service")
	text := strings.ReplaceAll(readDeploy(t, "eigenserve.service"), "/usr/local/bin/eigenserve", exe)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command(analyze, "security", "--offline=yes", "--threshold=20", unit).CombinedOutput()
	if err != nil { // at most 2.0 of 10
		t.Errorf("%v: %.3000s", err, out)
	}
}
