package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
)

// small is a model whose checkpoints are quick to write.
var small = synth.Spec{Name: "small", Directions: 8, Density: 0.1, Variants: 2, Config: `{"model_type":"vit","hidden_size":32,
"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":64,"image_size":16,"patch_size":8,"id2label":{"0":"a","1":"b","2":"c"}}`}

// makeCheckpoints writes checkpoints of the small model and returns their folders.
func makeCheckpoints(t *testing.T, out string, count int, seed uint64) []string {
	t.Helper()
	l, err := synth.NewLineage(small, seed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write(context.Background(), out, count, func(int) {}); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(out, "small-*"))
	if err != nil || len(dirs) != count {
		t.Fatalf("%v, %v", dirs, err)
	}
	return dirs
}

const zooDir = "../../../shared/zoo"

// program runs a command in-process and returns its exit status and output.
func program(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	m := &Main{Stdout: &out, Stderr: &errs}
	status = m.Run(context.Background(), args)
	return status, out.String(), errs.String()
}

// must is program for commands that must succeed. It returns standard output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errs := program(t, args...)
	if status != 0 {
		t.Fatalf("eigenserve %s: status %d: %s", strings.Join(args, " "), status, errs)
	}
	return out
}

// zooFolders returns every stride-th checkpoint in a folder of the zoo.
func zooFolders(t *testing.T, folder string, stride int) []string {
	t.Helper()
	all, _ := filepath.Glob(filepath.Join(zooDir, folder, "*"))
	if len(all) == 0 {
		t.Skip("the zoo of checkpoints is not installed")
	}
	var out []string
	for i := 0; i < len(all); i += stride {
		out = append(out, all[i])
	}
	return out
}

func TestUsage(t *testing.T) {
	secret := httptest.NewTLSServer(http.NotFoundHandler())
	secret.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer secret.Close()
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no command":               {nil, 0, "Make families and variants:"},
		"help":                     {[]string{"fit", "--help"}, 0, "--family"},
		"unknown command":          {[]string{"sevre"}, 2, `did you mean "serve"?`},
		"unknown, with a flag":     {[]string{"sevre", "--store", "x"}, 2, `did you mean "serve"?`},
		"versions of a server":     {[]string{"add", "--server", "http://x", "--family", "f", "--keep-versions", "1", "c"}, 2, "a server has its own setting"},
		"help with no command":     {[]string{"help", "sevre"}, 2, `did you mean "serve"?`},
		"unknown flag":             {[]string{"ls", "--stroe", "x"}, 2, "--stroe"},
		"fit of nothing":           {[]string{"fit", "--store", "x"}, 2, "fit needs at least one CHECKPOINT"},
		"fit without a family":     {[]string{"fit", "--store", "x", "y"}, 2, "--family"},
		"fit with a bad family":    {[]string{"fit", "--store", "x", "--family", "../x", "y"}, 2, "--family"},
		"fit with a negative rank": {[]string{"fit", "--store", "x", "--family", "f", "--rank", "-1", "y"}, 2, "--rank"},
		"fit with step zero":       {[]string{"fit", "--store", "x", "--family", "f", "--step", "0", "y"}, 2, "--step"},
		"fit with NaN for a step":  {[]string{"fit", "--store", "x", "--family", "f", "--step", "NaN", "y"}, 2, "--step"},
		"fit with a new metric":    {[]string{"fit", "--store", "x", "--family", "f", "--metric", "m", "y"}, 2, "--metric"},
		"fit on no images":         {[]string{"fit", "--store", "x", "--family", "f", "--probes", "nowhere", "y"}, 1, "--probes"},
		"ls of nothing":            {[]string{"ls"}, 2, "--store"},
		"ls of both":               {[]string{"ls", "--store", "x", "--server", "y"}, 2, "one of"},
		"ls of no store":           {[]string{"ls", "--store", t.TempDir()}, 1, "not a store"},
		"a server that is not":     {[]string{"ls", "--server", "127.0.0.1:1"}, 1, "is the server running?"},
		"a server of no authority": {[]string{"ls", "--server", secret.URL}, 1, "SSL_CERT_FILE"},
		"a bad address":            {[]string{"ls", "--server", "ftp://x"}, 2, "--server"},
		"serve without a store":    {[]string{"serve"}, 2, "--store"},
		"serve without a port":     {[]string{"demo", "--addr", "nonsense"}, 2, "address nonsense: missing port"},
		"serve with a bad cache":   {[]string{"demo", "--weight-cache", "much"}, 2, "--weight-cache"},
		"serve without versions":   {[]string{"serve", "--store", "x", "--keep-versions", "0"}, 2, "--keep-versions"},
		"serve in other numbers":   {[]string{"demo", "--compute", "int3"}, 2, "--compute"},
		"no checkpoint there":      {[]string{"fit", "--store", filepath.Join(t.TempDir(), "s"), "--family", "f", "nowhere"}, 1, "nowhere"},
		"inspect of nothing":       {[]string{"inspect"}, 2, "FILE"},
		"inspect of another file":  {[]string{"inspect", "main.go"}, 1, "main.go"},
		"classify without a model": {[]string{"classify", "--store", "x", "y.png"}, 2, "--model"},
		"flags only":               {[]string{"ls", "extra"}, 2, "takes flags only"},
		"one name":                 {[]string{"show"}, 2, "show needs one NAME, not 0"},
		"a rank that is none":      {[]string{"fit", "--rank", "abc", "x"}, 2, "\"--rank\" flag: invalid syntax"},
		"no batch":                 {[]string{"serve", "--store", "x", "--max-batch", "0"}, 2, "of 1 or more"},
		"no deadline":              {[]string{"serve", "--store", "x", "--deadline", "0s"}, 2, "such as 30s"},
		"a negative delay":         {[]string{"serve", "--store", "x", "--max-delay", "-1s"}, 2, "such as 30s"},
		"a gate of 7":              {[]string{"serve", "--store", "x", "--min-agreement", "7", "--check-config"}, 2, "from 0 to 1"},
		"an exact gate":            {[]string{"add", "--store", "x", "--family", "f", "--exact", "--variant-budget", "1KiB", "x"}, 2, "replace the gate"},
		"exact and refined":        {[]string{"add", "--store", "x", "--family", "f", "--exact", "--refine", "x"}, 2, "leave out --refine"},
		"an endless step":          {[]string{"add", "--store", "x", "--family", "f", "--step", "inf", "x"}, 2, "positive number"},
		"a name for two":           {[]string{"add", "--store", "x", "--name", "n", "a", "b"}, 2, "--name"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errs := program(t, c.args...)
			if status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, errs)
			}
			if text := out + errs; !strings.Contains(text, c.says) {
				t.Errorf("%q does not contain %q", text, c.says)
			}
			if lines := strings.Count(errs, "\n"); status == 1 && lines != 1 || status == 2 && lines != 2 {
				t.Errorf("%d lines on standard error: %q", lines, errs)
			}
		})
	}
}

// TestCommands uses every command that needs no server.
func TestCommands(t *testing.T) {
	fitted, unseen := zooFolders(t, "models", 20), zooFolders(t, "unseen", 8)
	dir := filepath.Join(t.TempDir(), "store")
	on := []string{"--store", dir}
	cmd := func(name string, args ...string) string {
		return must(t, append(append([]string{name}, on...), args...)...)
	}

	if out := cmd("fit", append([]string{"--family", "glyphs"}, fitted...)...); !strings.Contains(out, "10 checkpoints of") || !strings.Contains(out, "times less.") || !strings.Contains(out, "Metric full") {
		t.Errorf("fit prints %q", out)
	}
	if out := must(t, "fit", "--store", filepath.Join(t.TempDir(), "one"), "--family", "f", "--metric", "none", "--step", "8", fitted[0]); !strings.Contains(out, "times more.") {
		t.Errorf("fit of one prints %q", out)
	}
	cmd("add", append([]string{"--family", "glyphs"}, unseen...)...)

	var list []runtime.VariantInfo
	decode(t, cmd("ls", "--json"), &list)
	if len(list) != len(fitted)+len(unseen) {
		t.Fatalf("ls lists %d models", len(list))
	}
	name := filepath.Base(unseen[0])
	var detail runtime.VariantDetail
	decode(t, cmd("show", name, "--json"), &detail)
	if detail.Name != name || detail.Provenance.Fitted || len(detail.Labels) < 10 || detail.Fidelity.Measured == nil {
		t.Errorf("show prints %+v", detail)
	}
	if out := cmd("show", name); !strings.Contains(out, "not fitted on it") || !strings.Contains(out, "worst:") {
		t.Errorf("show prints %q", out)
	}
	checkEval(t, cmd("eval", append([]string{"--family", "glyphs", "--json"}, append(fitted, unseen...)...)...), len(list))

	if out := cmd("inspect", "--family", "glyphs"); !strings.Contains(out, "vit.encoder.layer.5.intermediate.dense") {
		t.Errorf("inspect prints %q", out)
	}
	blob := filepath.Join(dir, "blobs", detail.Digest+".safetensors")
	if out := must(t, "inspect", blob); !strings.Contains(out, name) || !strings.Contains(out, "coefficients") {
		t.Errorf("inspect prints %q", out)
	}

	// A variant file and an exported checkpoint can both be added again.
	out := filepath.Join(t.TempDir(), "again")
	cmd("export", "--model", name, "--out", out)
	if status, _, errs := program(t, "export", "--store", dir, "--model", name, "--out", out); status != 1 || !strings.Contains(errs, "not empty") {
		t.Errorf("export over an export: status %d, %q", status, errs)
	}
	cmd("add", "--family", "glyphs", out)
	cmd("add", "--name", "copy", blob)
	decode(t, cmd("ls", "--json"), &list)
	if list[0].Name != "again" || list[1].Name != "copy" || list[1].Digest != detail.Digest {
		t.Errorf("ls lists %s, %s", list[0].Name, list[1].Name)
	}
	cmd("rm", "again", "copy")
	if status, _, errs := program(t, "rm", "again", "--store", dir); status != 1 || !strings.Contains(errs, "again") {
		t.Errorf("rm twice: status %d, %q", status, errs)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// checkEval checks the fields of eval --json, and the figures against what any such family
// reaches at the default step.
func checkEval(t *testing.T, text string, variants int) {
	t.Helper()
	var keys map[string]json.RawMessage
	decode(t, text, &keys)
	var mean map[string]any
	decode(t, string(keys["mean"]), &mean)
	for _, key := range []string{"name", "original", "rebuilt", "mean_only", "random_basis", "agreement", "energy", "step", "bytes", "source_bytes"} {
		if _, ok := mean[key]; !ok {
			t.Errorf("eval --json lacks %q", key)
		}
	}
	var r evalReport
	decode(t, text, &r)
	if r.Family != "glyphs" || r.Rank != 257 || len(r.Variants) != variants {
		t.Errorf("eval is of family %q, rank %d, %d variants", r.Family, r.Rank, len(r.Variants))
	}
	if r.Mean.Agreement < 0.97 || r.Mean.MeanOnly >= r.Mean.Rebuilt || r.Mean.RandomBasis > r.Mean.Original || r.Mean.Energy <= 0 {
		t.Errorf("eval's means are %+v", r.Mean)
	}
}

func TestEvalOfFolders(t *testing.T) {
	fitted := zooFolders(t, "models", 100)
	dir := filepath.Join(t.TempDir(), "store")
	must(t, append([]string{"fit", "--store", dir, "--family", "glyphs"}, fitted...)...)
	data := t.TempDir()
	if status, _, errs := program(t, "eval", "--store", dir, "--family", "glyphs", "--data", data, fitted[0]); status != 1 || !strings.Contains(errs, "folders of images") {
		t.Errorf("an empty folder: status %d, %q", status, errs)
	}
	label := filepath.Join(data, "none of the labels")
	if err := os.Mkdir(label, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(label, "x.png"), synth.NoisePNG(32, 32), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := program(t, "eval", "--store", dir, "--family", "glyphs", "--data", data, fitted[0]); status != 1 || !strings.Contains(errs, "the model does not have") {
		t.Errorf("an unknown label: status %d, %q", status, errs)
	}
	var v runtime.VariantDetail
	decode(t, must(t, "show", filepath.Base(fitted[0]), "--store", dir, "--json"), &v)
	if err := os.Rename(label, filepath.Join(data, v.Labels[0])); err != nil {
		t.Fatal(err)
	}
	var r evalReport
	decode(t, must(t, "eval", "--store", dir, "--family", "glyphs", "--json", "--data", data, fitted[0]), &r)
	if r.Mean.Agreement != 0 && r.Mean.Agreement != 1 {
		t.Errorf("the agreement on one image is %g", r.Mean.Agreement)
	}
}

// TestDemo starts the demo and runs the lines that it prints.
func TestDemo(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var out, errs bytes.Buffer
	listening, ended := make(chan string, 1), make(chan int, 1)
	m := &Main{Stdout: &out, Stderr: &errs, Listening: func(addr string) { listening <- addr }}
	go func() { ended <- m.Run(ctx, []string{"demo", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"}) }()
	select {
	case <-listening:
	case status := <-ended:
		t.Fatalf("the demo ended with status %d: %s", status, errs.String())
	}
	lines := regexp.MustCompile(`curl .*`).FindAllString(out.String(), -1)
	if len(lines) < 8 {
		t.Fatalf("the demo prints %q", out.String())
	}
	for _, line := range lines {
		answer, err := exec.Command("sh", "-c", strings.Replace(line, "curl -s", "curl -sS --fail-with-body", 1)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", line, err, answer)
		}
		if strings.Contains(line, "/classify") && !bytes.Contains(answer, []byte(`"score"`)) {
			t.Errorf("%s: %s", line, answer)
		}
	}
	stop()
	if status := <-ended; status != 0 {
		t.Errorf("the demo ended with status %d: %s", status, errs.String())
	}
}

// Close interrupts the command that is running and waits for it.
func TestClose(t *testing.T) {
	m := &Main{Stdout: io.Discard, Stderr: io.Discard}
	if err := m.Close(); err != nil { // nothing is running
		t.Error(err)
	}
	listening, ended := make(chan string, 1), make(chan int, 1)
	m.Listening = func(addr string) { listening <- addr }
	go func() {
		ended <- m.Run(context.Background(), []string{"serve", "--store", emptyStore(t), "--addr", "127.0.0.1:0"})
	}()
	addr := <-listening
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if status := <-ended; status != 0 {
		t.Errorf("serve ended with status %d", status)
	}
	if _, err := http.Get("http://" + addr + "/"); err == nil {
		t.Error("it still answers")
	}
}
