package output_test

import (
	"strings"
	"testing"

	"eigenserve/models/output"
)

// The rule of ImageClassificationPipeline.postprocess in transformers 5.24.
func TestTaskOf(t *testing.T) {
	for _, c := range []struct {
		problemType string
		labels      int
		task        output.Task
		function    string
	}{
		{"", 3, output.SingleLabel, "softmax"},
		{"single_label_classification", 2, output.SingleLabel, "softmax"},
		{"", 1, output.Binary, "sigmoid"},
		{"single_label_classification", 1, output.Binary, "sigmoid"},
		{"multi_label_classification", 1, output.Binary, "sigmoid"},
		{"multi_label_classification", 24, output.MultiLabel, "sigmoid"},
		{"regression", 1, output.Regression, "none"},
		{"regression", 3, output.Regression, "none"},
	} {
		if got := output.TaskOf(c.problemType, c.labels); got != c.task || got.Function() != c.function {
			t.Errorf("%q with %d labels: %q by %s, want %q by %s", c.problemType, c.labels, got, got.Function(), c.task, c.function)
		}
		if err := output.CheckProblemType(c.problemType); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckProblemType(t *testing.T) {
	for _, bad := range []string{"multi-label", "Regression", " "} {
		if err := output.CheckProblemType(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSameProblem(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"", "single_label_classification", true},
		{"", "regression", false},
		{"multi_label_classification", "regression", false},
		{"regression", "regression", true},
	} {
		if got := output.SameProblem(c.a, c.b); got != c.same {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
	}
}
