// Package output says what the logits of a classifier stand for, and so which function
// turns them into scores. It computes nothing.
package output

import "fmt"

// Task is what the logits of a classifier stand for.
type Task string

// The tasks.
const (
	SingleLabel Task = ""            // exactly one label is right: scores are a softmax
	MultiLabel  Task = "multi-label" // any number of labels are right: a sigmoid for each
	Binary      Task = "binary"      // the only label is right or not: its sigmoid
	Regression  Task = "regression"  // the logits are the answer themselves
)

// The values of problem_type in config.json.
const (
	singleLabelType = "single_label_classification"
	multiLabelType  = "multi_label_classification"
	regressionType  = "regression"
)

// The names of the functions that turn logits into scores.
const (
	Softmax = "softmax"
	Sigmoid = "sigmoid"
	None    = "none"
)

// TaskOf returns the task of a model with the given problem_type, "" if its config.json
// has none, and number of labels. The rule is that of the pipelines of transformers.
func TaskOf(problemType string, labels int) Task {
	switch {
	case problemType == regressionType:
		return Regression
	case labels == 1:
		return Binary
	case problemType == multiLabelType:
		return MultiLabel
	}
	return SingleLabel
}

// CheckProblemType returns an error unless a problem_type is one that has a task, or "".
func CheckProblemType(problemType string) error {
	switch problemType {
	case "", singleLabelType, multiLabelType, regressionType:
		return nil
	}
	return fmt.Errorf("problem_type %.100q is not one of %s, %s and %s", problemType, singleLabelType, multiLabelType, regressionType)
}

// SameProblem reports whether two problem_types stand for the same task, whatever the
// number of labels. No problem_type is the same as single_label_classification.
func SameProblem(a, b string) bool { return TaskOf(a, 2) == TaskOf(b, 2) }

// Function returns the name of the function that turns logits into scores.
func (t Task) Function() string {
	switch t {
	case MultiLabel, Binary:
		return Sigmoid
	case Regression:
		return None
	}
	return Softmax
}

// Text returns the task in words.
func (t Task) Text() string {
	if t == SingleLabel {
		return "single-label"
	}
	return string(t)
}
