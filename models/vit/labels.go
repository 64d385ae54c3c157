package vit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// labelSource says what in config.json labels come from.
type labelSource int

const (
	labelsDefault  labelSource = iota // nothing: two labels, as in transformers
	labelsListed                      // id2label
	labelsNumbered                    // num_labels
)

// maxLabels limits what num_labels alone can ask for.
const maxLabels = 1 << 20

// labels returns the labels in the order of their ids, and where they come from. As in
// transformers 5, num_labels wins over an id2label of another length.
func (c *config) labels() ([]string, labelSource, error) {
	switch {
	case c.NumLabels != nil && (*c.NumLabels < 1 || *c.NumLabels > maxLabels):
		return nil, 0, fmt.Errorf("num_labels %d is not in 1…%d", *c.NumLabels, maxLabels)
	case c.NumLabels != nil && *c.NumLabels != len(c.ID2Label):
		return numberedLabels(*c.NumLabels), labelsNumbered, nil
	case len(c.ID2Label) == 0:
		return numberedLabels(2), labelsDefault, nil
	}
	labels, err := c.listedLabels()
	return labels, labelsListed, err
}

// numberedLabels returns the names that transformers makes up.
func numberedLabels(n int) []string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = fmt.Sprintf("LABEL_%d", i)
	}
	return labels
}

// listedLabels returns the labels of id2label, whose ids must be 0, 1 and so on.
func (c *config) listedLabels() ([]string, error) {
	byID := make(map[int]string, len(c.ID2Label))
	var errs []error
	for key, name := range c.ID2Label {
		id, err := strconv.Atoi(strings.TrimSpace(key)) // as Python's int
		if err != nil {
			errs = append(errs, fmt.Errorf("id2label has the id %.40q, which is not a whole number", key))
		}
		byID[id] = string(name)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	labels := make([]string, len(c.ID2Label))
	for i := range labels {
		name, ok := byID[i]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels but none with id %d", len(labels), i)
		}
		labels[i] = name
	}
	return labels, nil
}

// checkLabels returns an error unless a head with so many outputs has a label for each.
func (o *Options) checkLabels(outputs int) error {
	n := len(o.Labels)
	switch {
	case n == outputs:
		return nil
	case o.labelsFrom == labelsDefault:
		return fmt.Errorf("config.json lists no labels, but the head has %d outputs: list them in id2label, or set num_labels to %[1]d", outputs)
	case o.labelsFrom == labelsNumbered:
		return fmt.Errorf("num_labels in config.json is %d, but the head has %d outputs: set it to %[2]d, or list the labels in id2label instead", n, outputs)
	}
	return fmt.Errorf("id2label in config.json lists %d labels, but the head has %d outputs: list one for each", n, outputs)
}
