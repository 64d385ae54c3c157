package runtime

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"eigenserve/models/output"
	"eigenserve/runtime/internal/testfamily"
	"eigenserve/runtime/internal/teststore"
	"eigenserve/runtime/learn"
	"eigenserve/runtime/learn/gate"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// mixed are members of one family with different tasks. The first gives the family its
// problem_type.
var mixed = []struct {
	name, problemType string
	labels            int
	task              output.Task
	function          string
}{
	{"numbers", "regression", 3, output.Regression, "none"},
	{"number", "regression", 1, output.Regression, "none"},
	{"tags", "multi_label_classification", 4, output.MultiLabel, "sigmoid"},
	{"one", "", 1, output.Binary, "sigmoid"},
	{"classes", "", 3, output.SingleLabel, "softmax"},
	{"named", "single_label_classification", 3, output.SingleLabel, "softmax"},
}

func mixedStore(t *testing.T) *store.Store {
	t.Helper()
	var opened []*checkpoint.Checkpoint
	for i, m := range mixed {
		opened = append(opened, testfamily.New(uint64(i), 5).WithTask(m.problemType, m.labels).Open(t, m.name))
	}
	s := testfamily.EmptyStore(t)
	must(learn.Fit(t.Context(), s, testfamily.Name, opened, learn.Options{Gate: gate.Options{Step: 0.5}}))
	return s
}

// Each model's scores are made by the function of its own task, and explicit functions
// are obeyed.
func TestScoresByTask(t *testing.T) {
	s := mixedStore(t)
	eng := serve(t, s, Options{})
	file := picture(7, 8, 8)
	for _, m := range mixed {
		ask := func(function string) Answer {
			a, err := eng.Classify(context.Background(), m.name, file, ClassifyOptions{Function: function})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		logits, got := byLabel(ask("none")), ask("")
		if got.Function != m.function {
			t.Errorf("%s: scores by %q, want %q", m.name, got.Function, m.function)
		}
		total := 0.0
		for _, x := range logits {
			total += math.Exp(x)
		}
		for label, score := range byLabel(got) {
			want := logits[label]
			switch m.function {
			case "sigmoid":
				want = 1 / (1 + math.Exp(-want))
			case "softmax":
				want = math.Exp(want) / total
			}
			if math.Abs(score-want) > 1e-6 {
				t.Errorf("%s: %q scores %g, want %g", m.name, label, score, want)
			}
		}
		if a := ask("softmax"); a.Function != "softmax" {
			t.Errorf("%s: asked for a softmax, got %q", m.name, a.Function)
		}
		d, err := eng.Variant(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if d.Task != m.task || d.Fidelity.Measured.Task != string(m.task) {
			t.Errorf("%s: task %q, measured as %q, want %q", m.name, d.Task, d.Fidelity.Measured.Task, m.task)
		}
	}
	list, _ := eng.Variants("", 0)
	for _, v := range list {
		for _, m := range mixed {
			if v.Name == m.name && v.Task != m.task {
				t.Errorf("%s is listed as %q", v.Name, v.Task)
			}
		}
	}
}

// A variant keeps its problem_type only where it means something else than the family's.
func TestOwnProblemType(t *testing.T) {
	s := mixedStore(t)
	eng := serve(t, s, Options{})
	for _, m := range mixed {
		e, err := s.Entry(m.name)
		must(err)
		v, err := s.ReadVariant(e.Digest)
		must(err)
		if own := m.problemType != "regression"; own != (v.ProblemType != nil) || own && *v.ProblemType != m.problemType {
			t.Errorf("%s: its own problem_type is %v", m.name, v.ProblemType)
		}
		dir := filepath.Join(t.TempDir(), m.name)
		must(eng.Export(m.name, dir))
		raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
		must(err)
		var config struct {
			ProblemType string `json:"problem_type"`
		}
		must(json.Unmarshal(raw, &config))
		if config.ProblemType != m.problemType {
			t.Errorf("%s is exported with problem_type %q", m.name, config.ProblemType)
		}
	}
	for _, e := range teststore.Fitted(t).Variants() {
		if e.Task != "" {
			t.Errorf("%s: task %q", e.Name, e.Task)
		}
	}
}

func TestUnknownProblemType(t *testing.T) {
	eng := tinyEngine(t, Options{})
	u := upload(testfamily.New(50, 3).WithTask("ranking", 3))
	if _, _, err := eng.AddCheckpoint(context.Background(), testfamily.Name, "new", u); testfamily.CodeOf(err) != Invalid {
		t.Errorf("a checkpoint with an unknown problem_type: %v", err)
	}
	e := eng.store.Variants()[0]
	v, err := eng.store.ReadVariant(e.Digest)
	must(err)
	unknown := "ranking"
	v.ProblemType = &unknown
	file, err := v.Bytes()
	must(err)
	if _, _, err := eng.PutVariant(context.Background(), "new", file); testfamily.CodeOf(err) != Invalid {
		t.Errorf("a variant with an unknown problem_type: %v", err)
	}
}
