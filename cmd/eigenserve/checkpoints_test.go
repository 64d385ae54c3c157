package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
)

// edit changes the keys of a checkpoint's config.json. A nil value removes a key.
func edit(t *testing.T, dir string, keys map[string]any) {
	t.Helper()
	file := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]any{}
	decode(t, string(data), &config)
	for key, value := range keys {
		if config[key] = value; value == nil {
			delete(config, key)
		}
	}
	if data, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// One error lists what is wrong with every checkpoint, and nothing is measured.
func TestFitListsBadCheckpoints(t *testing.T) {
	own, dir := makeCheckpoints(t, t.TempDir(), 5, 1), filepath.Join(t.TempDir(), "store")
	edit(t, own[1], map[string]any{"id2label": nil})
	edit(t, own[2], map[string]any{"id2label": map[string]any{"0": "a"}})
	edit(t, own[3], map[string]any{"hidden_size": "32"})
	if err := os.WriteFile(filepath.Join(own[4], "model.safetensors"), []byte("version https://git-lfs.github.com/spec/v1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, errs := program(t, append([]string{"fit", "--store", dir, "--family", "f"}, own...)...)
	if status != 1 || out != "" || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s\n%s", status, out, errs)
	}
	for _, says := range []string{
		`"small-0001": config.json lists no labels, but the head has 3 outputs`,
		`"small-0002": id2label in config.json lists 1 labels`,
		`"small-0003": invalid config.json: hidden_size is text, not a whole number`,
		"git lfs pull",
	} {
		if !strings.Contains(errs, says) {
			t.Errorf("%q does not contain %q", errs, says)
		}
	}
	status, _, errs = program(t, "fit", "--store", dir, "--family", "f", "--exact", "--metric", "none", own[1])
	if status != 1 || strings.Contains(errs, "check: ") || !strings.Contains(errs, `"small-0001"`) {
		t.Errorf("exact: status %d, %s", status, errs)
	}
	edit(t, own[1], map[string]any{"num_labels": 3})
	edit(t, own[2], map[string]any{"id2label": map[string]any{"0": 0, "1": 1, "2": 2.5}})
	must(t, "fit", "--store", dir, "--family", "f", "--exact", "--metric", "none", own[1], own[2])
	for name, want := range map[string]string{"small-0001": "LABEL_0 LABEL_1 LABEL_2", "small-0002": "0 1 2.5"} {
		var d runtime.VariantDetail
		decode(t, must(t, "show", "--store", dir, name, "--json"), &d)
		if got := strings.Join(d.Labels, " "); got != want {
			t.Errorf("%s has the labels %q, want %q", name, got, want)
		}
	}
}

// fit, add, refit and eval take names, and skip files that lie between the folders.
func TestNamedCheckpoints(t *testing.T) {
	own, dir := makeCheckpoints(t, t.TempDir(), 3, 1), filepath.Join(t.TempDir(), "store")
	notes := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notes, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	common := []string{"--store", dir, "--family", "f"}
	run := func(command string, args ...string) string {
		t.Helper()
		status, out, errs := program(t, append(append([]string{command}, common...), append(args, notes)...)...)
		if status != 0 || !strings.Contains(errs, "skipped "+notes) {
			t.Errorf("%s: status %d, %s", command, status, errs)
		}
		return out
	}
	quick := []string{"--metric", "none", "--exact"}
	run("fit", append(quick, "one="+own[0], "two="+own[1])...)
	run("add", "--exact", "three="+own[2])
	if out := must(t, "ls", "--store", dir); !strings.Contains(out, "one ") || !strings.Contains(out, "two ") || !strings.Contains(out, "three ") || strings.Contains(out, "small-") {
		t.Errorf("ls prints %s", out)
	}
	if out := run("refit", append(quick, "one="+own[0], "renamed="+own[1], "three="+own[2])...); !strings.Contains(out, "3 variants moved") {
		t.Errorf("refit prints %s", out)
	}
	data := t.TempDir()
	for _, label := range []string{"a", "b", "c"} {
		if err := os.Mkdir(filepath.Join(data, label), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, label, "x.png"), synth.NoisePNG(16, 16), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out := run("eval", "--data", data, "one="+own[0], "three="+own[2]); !strings.Contains(out, "one ") || !strings.Contains(out, "three ") {
		t.Errorf("eval prints %s", out)
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"fit", own[0], filepath.Join(filepath.Dir(own[0]), ".", "small-0000")}, 1, "are both called"},
		{[]string{"add", "--name", "bad name", own[0]}, 2, `--name: bad name "bad name"`},
		{[]string{"add", "--name", "x", "y=" + own[0]}, 2, "one of --name and NAME=FOLDER"},
		{[]string{"add", "bad name=" + own[0]}, 2, `bad name "bad name"`},
	} {
		status, out, errs := program(t, append(append(c.args[:1:1], common...), c.args[1:]...)...)
		if status != c.status || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%v: status %d\n%s\n%s", c.args, status, out, errs)
		}
	}
}

func TestMissingPreprocessorIsTold(t *testing.T) {
	own, dir := makeCheckpoints(t, t.TempDir(), 2, 1), filepath.Join(t.TempDir(), "store")
	const says = "no preprocessor_config.json, or an empty one: 0.5/0.5 mean and std, bilinear assumed"
	if err := os.Remove(filepath.Join(own[0], "preprocessor_config.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own[1], "preprocessor_config.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, _, errs := program(t, "fit", "--store", dir, "--family", "f", "--exact", "--metric", "none", own[0])
	if status != 0 || !strings.Contains(errs, "eigenserve: small-0000: "+says+"\n") {
		t.Errorf("fit: status %d, %s", status, errs)
	}
	status, _, errs = program(t, "add", "--store", dir, "--family", "f", "--exact", own[1])
	if status != 0 || !strings.Contains(errs, "eigenserve: small-0001: "+says+"\n") {
		t.Errorf("add: status %d, %s", status, errs)
	}
	for _, name := range []string{"small-0000", "small-0001"} {
		var d runtime.VariantDetail
		decode(t, must(t, "show", "--store", dir, name, "--json"), &d)
		if d.Assumed != says || !strings.Contains(must(t, "show", "--store", dir, name), says) {
			t.Errorf("%s: assumed %q", name, d.Assumed)
		}
	}
}

// timm's own transform and model, of version 1.0.31, answer so.
func TestAnswersOfTimm(t *testing.T) {
	folder := "../../../shared/cases/05-timm-center-crop-odd-margin"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the cases are not installed")
	}
	dir := filepath.Join(t.TempDir(), "store")
	must(t, "fit", "--store", dir, "--family", "f", "--exact", "--metric", "none", filepath.Join(folder, "t00"))
	var answers []struct {
		Scores []struct {
			Label string
			Score float64
		}
	}
	text := must(t, "classify", "--store", dir, "--model", "t00", "--function", "none", "--json", filepath.Join(folder, "plain.png"))
	decode(t, text, &answers)
	want := map[string]float64{"cat": 0.03432, "dog": 0.62656, "emu": 0.13086, "fox": 0.66734, "gnu": -0.29548}
	if len(answers) != 1 || len(answers[0].Scores) != len(want) {
		t.Fatalf("%s", text)
	}
	for _, r := range answers[0].Scores {
		if math.Abs(r.Score-want[r.Label]) > 1e-4 {
			t.Errorf("%s scores %g, timm's %g", r.Label, r.Score, want[r.Label])
		}
	}
}
