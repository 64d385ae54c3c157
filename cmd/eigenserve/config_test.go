package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"eigenserve/cmd/internal/config"
	"eigenserve/store"
)

// emptyStore makes a store without models and returns its folder.
func emptyStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := store.Create(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write writes a temporary file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// settingOf returns the row of a setting in the output of --check-config.
func settingOf(out, name string) (value, from string) {
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			return f[1], f[2]
		}
	}
	return "", ""
}

func TestSettingsPrecedence(t *testing.T) {
	dir := emptyStore(t)
	file := write(t, "c.yaml", "store: "+dir+"\nweight-cache: 1GiB\nqueue: 7\nparallel: 3\nhosts: [a.example, b.example]\nlog-format: json\n")
	t.Setenv("EIGENSERVE_QUEUE", "8")
	t.Setenv("EIGENSERVE_PARALLEL", "4")
	t.Setenv("EIGENSERVE_CONFIG", file)
	out := must(t, "serve", "--check-config", "--parallel", "5")
	for name, want := range map[string][2]string{
		"weight-cache": {"1GiB", "file"}, "queue": {"8", "environment"}, "parallel": {"5", "flag"},
		"compute": {"auto", "default"}, "hosts": {"[a.example,b.example]", "file"}, "store": {dir, "file"}, "log-format": {"json", "file"},
	} {
		if value, from := settingOf(out, name); value != want[0] || from != want[1] {
			t.Errorf("%s is %q from %q, want %v", name, value, from, want)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	dir := emptyStore(t)
	for name, c := range map[string]struct {
		file, variable, value string
		args                  []string
		status                int
		says                  string
	}{
		"an unknown key":              {file: "queue: 1\nqueu: 2", status: 1, says: `:2: unknown setting "queu"`},
		"a key of the command":        {file: "check-config: true", status: 1, says: "unknown setting"},
		"a key twice":                 {file: "queue: 1\nqueue: 2", status: 1, says: ":2: queue is set twice"},
		"a value of the wrong type":   {file: "queue: many", status: 1, says: `queue: "many"`},
		"a wrong choice":              {file: "compute: int3", status: 1, says: "use auto, f32, bf16"},
		"a list for one":              {file: "queue: [1, 2]", status: 1, says: "one value"},
		"a map":                       {file: "queue: {a: 1}", status: 1, says: "a word, a number"},
		"no value":                    {file: "queue:", status: 1, says: "a word, a number"},
		"a list instead of a map":     {file: "- queue", status: 1, says: "name: value"},
		"not YAML":                    {file: "a: [", status: 1, says: "yaml"},
		"two documents":               {file: "queue: 1\n---\nqueue: 2", status: 1, says: "more than one"},
		"a missing file":              {args: []string{"--config", "nowhere.yaml"}, status: 1, says: "nowhere.yaml"},
		"a wrong variable":            {variable: "EIGENSERVE_QUEUE", value: "many", status: 2, says: "EIGENSERVE_QUEUE"},
		"a certificate without key":   {args: []string{"--tls-cert", "x"}, status: 2, says: "--tls-key"},
		"a missing certificate":       {args: []string{"--tls-cert", "no.pem", "--tls-key", "x"}, status: 1, says: "no.pem"},
		"missing tokens":              {args: []string{"--tokens", "nowhere"}, status: 1, says: "nowhere"},
		"tokens and insecure":         {args: []string{"--tokens", "x", "--insecure"}, status: 2, says: "--insecure"},
		"other machines":              {args: []string{"--addr", "0.0.0.0:0"}, status: 2, says: "--tokens FILE"},
		"other machines, any address": {args: []string{"--addr", ":0"}, status: 2, says: "--tokens FILE"},
		"other machines, IPv6":        {args: []string{"--addr", "[::]:0"}, status: 2, says: "--tokens FILE"},
		"other machines, one address": {args: []string{"--addr", "192.0.2.1:80"}, status: 2, says: "--tokens FILE"},
		"not an address":              {args: []string{"--addr", "8080"}, status: 2, says: "8080"},
		"a page's address as origin":  {args: []string{"--cors-origins", "https://app.example/page"}, status: 2, says: "--cors-origins"},
		"no origin":                   {file: "cors-origins: [\"null\"]", status: 2, says: "--cors-origins"},
		"origins and all":             {variable: "EIGENSERVE_CORS_ORIGINS", value: "*,https://app.example", status: 2, says: "give it alone"},
		"pprof for other machines":    {args: []string{"--admin-addr", ":6060"}, status: 2, says: "--admin-addr"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"serve", "--store", dir, "--check-config"}, c.args...)
			if c.file != "" {
				args = append(args, "--config", write(t, "c.yaml", c.file))
			}
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			status, out, errs := program(t, args...)
			if status != c.status || !strings.Contains(errs, c.says) || out != "" {
				t.Errorf("status %d, %q %q; want %d, %q", status, out, errs, c.status, c.says)
			}
		})
	}
	for _, good := range [][]string{{"--addr", "0.0.0.0:0", "--insecure"}, {"--addr", "localhost:0"}, {"--addr", "[::1]:0"}, {"--cors-origins", "*"}, {"--cors-origins", "https://a.example,b.example:3000"}, {"--config", write(t, "empty.yaml", "# nothing\n")}} {
		must(t, append([]string{"serve", "--store", dir, "--check-config"}, good...)...)
	}
}

func TestUnknownVariablesAreReported(t *testing.T) {
	t.Setenv("EIGENSERVE_PORT_8080_TCP", "tcp://10.0.0.1:8080") // as Kubernetes sets it
	status, _, errs := program(t, "serve", "--store", emptyStore(t), "--check-config")
	if status != 0 || !strings.Contains(errs, "EIGENSERVE_PORT_8080_TCP") {
		t.Errorf("status %d, %q", status, errs)
	}
}

// TestSettingsTable checks that the table has a row for each flag, with its variable.
func TestSettingsTable(t *testing.T) {
	out := must(t, "settings")
	rows := 0
	config.Each((&Main{}).serve().Flags(), func(f *pflag.Flag) {
		rows++
		if !strings.Contains(out, "| `--"+f.Name+"`") || !strings.Contains(out, "`"+config.Variable(f.Name)+"`") {
			t.Errorf("no row for --%s", f.Name)
		}
	})
	if got := strings.Count(out, "\n"); got != rows+2 {
		t.Errorf("%d lines for %d settings", got, rows)
	}
}

// TestReadmeSettings checks that the README has the table of settings.
func TestReadmeSettings(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(must(t, "settings")) {
		if !strings.Contains(string(raw), row) {
			t.Errorf("README.md lacks the row %s", row)
		}
	}
}
