package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// taskCases are checkpoints of a zoo model that differ in config.json and in how many
// labels are left, with the answers of pipeline("image-classification", dtype="float32")
// of transformers 5.24 to testdata/glyph.png.
var taskCases = []struct {
	name, problemType string
	labels            []string // nil for all
	function, task    string
	want              []runtime.Score // the best five
}{
	{"ml", "multi_label_classification", nil, "sigmoid", "multi-label", []runtime.Score{
		{Label: "ꨀ", Score: .985492}, {Label: "ꨔ", Score: .949232}, {Label: "ꨊ", Score: .904130}, {Label: "ꨗ", Score: .859800}, {Label: "ꨦ", Score: .830347}}},
	{"one", "", []string{"age"}, "sigmoid", "binary", []runtime.Score{{Label: "age", Score: .985492}}},
	{"reg", "regression", []string{"age"}, "none", "regression", []runtime.Score{{Label: "age", Score: 4.218462}}},
	{"reg3", "regression", []string{"x", "y", "z"}, "none", "regression", []runtime.Score{
		{Label: "x", Score: 4.218462}, {Label: "z", Score: .381662}, {Label: "y", Score: -1.848029}}},
}

// TestTasks compares the scores of models of all tasks with those of transformers, on the
// command line and over HTTP.
func TestTasks(t *testing.T) {
	from, err := checkpoint.Open(filepath.Join(zooDir, "unseen", "sans-cham"))
	if err != nil {
		t.Skip("the zoo of checkpoints is not installed")
	}
	defer from.Close()
	dir, image := t.TempDir(), filepath.Join("testdata", "glyph.png")
	store := filepath.Join(dir, "store")
	for i, c := range taskCases {
		writeTask(t, from, filepath.Join(dir, c.name), c.problemType, c.labels)
		if i == 0 {
			must(t, "fit", "--store", store, "--family", "tasks", "--exact", "--metric", "none", filepath.Join(dir, c.name))
		} else {
			must(t, "add", "--store", store, "--family", "tasks", "--name", c.name, "--exact", filepath.Join(dir, c.name))
		}
	}
	body, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	server := runServe(t, "--store", store, "--compute", "f32")
	for _, c := range taskCases {
		var printed []classified
		decode(t, must(t, "classify", "--store", store, "--model", c.name, "--json", image), &printed)
		checkScores(t, c.name+" on the command line", printed[0].Scores, c.want)

		res, err := http.Post("http://"+server.addr+"/v1/models/"+c.name+"/classify", "image/png", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(res.Body)
		res.Body.Close()
		var scores []runtime.Score
		decode(t, string(raw), &scores)
		checkScores(t, c.name+" over HTTP", scores, c.want)
		if got := res.Header.Get("Eigenserve-Function"); got != c.function {
			t.Errorf("%s: the function is said to be %q, want %q", c.name, got, c.function)
		}

		_, text := get(t, "http://"+server.addr+"/v1/models/"+c.name, "")
		var d runtime.VariantDetail
		decode(t, text, &d)
		if string(d.Task) != c.task {
			t.Errorf("%s: its task is said to be %q, want %q", c.name, d.Task, c.task)
		}
		if text := must(t, "show", "--store", store, c.name); !strings.Contains(text, c.task+": ") {
			t.Errorf("show does not say that %s is %s: %s", c.name, c.task, text)
		}
	}
	server.stop()
	<-server.ended
}

// writeTask writes a checkpoint with another problem_type and the first labels only.
func writeTask(t *testing.T, from *checkpoint.Checkpoint, dir, problemType string, labels []string) {
	t.Helper()
	var config map[string]any
	decode(t, string(from.Config), &config)
	if problemType != "" {
		config["problem_type"] = problemType
	}
	tensors := map[string]tensorfile.Tensor{}
	for _, name := range from.Names() {
		tensors[name], _ = from.Tensor(name)
	}
	if labels != nil {
		names := map[string]string{}
		for i, l := range labels {
			names[strconv.Itoa(i)] = l
		}
		config["id2label"] = names
		delete(config, "label2id")
		for _, name := range []string{"classifier.weight", "classifier.bias"} {
			x := tensors[name]
			n := len(x.Data) / x.Shape[0] * len(labels)
			x.Shape = append([]int{len(labels)}, x.Shape[1:]...)
			x.Data = x.Data[:n]
			tensors[name] = x
		}
	}
	raw, err := json.Marshal(config)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	for name, content := range map[string][]byte{"config.json": raw, "preprocessor_config.json": from.Preprocessor} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o644)
		}
	}
	if err == nil {
		err = tensorfile.WriteFile(filepath.Join(dir, "model.safetensors"), maps.Clone(tensors), map[string]string{"format": "pt"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkScores(t *testing.T, what string, got, want []runtime.Score) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range want {
		if got[i].Label != want[i].Label || math.Abs(got[i].Score-want[i].Score) > 1e-4 {
			t.Errorf("%s: %v, want %v", what, got[i], want[i])
		}
	}
}

// TestEvalOfOtherTasks checks that eval refuses what has no best label.
func TestEvalOfOtherTasks(t *testing.T) {
	from, err := checkpoint.Open(filepath.Join(zooDir, "unseen", "sans-cham"))
	if err != nil {
		t.Skip("the zoo of checkpoints is not installed")
	}
	defer from.Close()
	dir := t.TempDir()
	store, model := filepath.Join(dir, "store"), filepath.Join(dir, "reg")
	writeTask(t, from, model, "regression", []string{"age"})
	must(t, "fit", "--store", store, "--family", "tasks", "--exact", "--metric", "none", model)
	status, _, errs := program(t, "eval", "--store", store, "--family", "tasks", "--data", filepath.Join(zooDir, "unseen", "sans-cham", "eval.safetensors"), model)
	if status == 0 || !strings.Contains(errs, "regression") {
		t.Errorf("status %d: %s", status, errs)
	}
}
