package learn

import (
	"errors"
	"fmt"
	"strings"

	"eigenserve/models"
	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Check returns an error for each checkpoint that no family can be fitted on: one whose
// configuration, tensors or labels do not fit each other, or that is no original. It reads
// no weights.
func Check(checkpoints []*checkpoint.Checkpoint) []error {
	_, errs := checkAll(checkpoints)
	return errs
}

// checkAll is Check. If there is no error, it returns each checkpoint's model.
func checkAll(checkpoints []*checkpoint.Checkpoint) ([]models.Model, []error) {
	var errs []error
	out := make([]models.Model, len(checkpoints))
	for i, c := range checkpoints {
		var err error
		if out[i], err = checkOne(c); err != nil {
			errs = append(errs, err)
		}
	}
	return out, errs
}

func checkOne(c *checkpoint.Checkpoint) (models.Model, error) {
	m, err := family.OpenModel(c)
	if err != nil {
		return nil, err
	}
	if digest := c.Rebuilt(); digest != "" {
		return m, fmt.Errorf("checkpoint %q was rebuilt from variant %.12s by `eigenserve export`: a basis is learned from originals only", c.Name, digest)
	}
	_, err = family.CheckSource(c, m)
	return m, err
}

// checkOriginals checks checkpoints that one basis is to be learned from, and returns
// their models, which have one architecture.
func checkOriginals(checkpoints []*checkpoint.Checkpoint) ([]models.Model, error) {
	opened, errs := checkAll(checkpoints)
	return opened, JoinErrors(append(errs, checkSameArchitecture(checkpoints, opened)))
}

// checkSameArchitecture returns an error unless all models that could be opened, which
// are those that are not nil, have one architecture.
func checkSameArchitecture(checkpoints []*checkpoint.Checkpoint, opened []models.Model) error {
	first := -1
	var others []int
	for i, m := range opened {
		switch {
		case m == nil:
		case first < 0:
			first = i
		case m.Architecture() != opened[first].Architecture():
			others = append(others, i)
		}
	}
	if len(others) == 0 {
		return nil
	}
	err := fmt.Errorf("checkpoints %q and %q are of different architectures: %s and %s; fit one family for each", checkpoints[first].Name,
		checkpoints[others[0]].Name, opened[first].Architecture(), opened[others[0]].Architecture())
	if len(others) > 1 {
		err = fmt.Errorf("%w (%d more differ from the first)", err, len(others)-1)
	}
	return err
}

// CheckNames returns an error that lists the names that cannot be those of variants in a
// store.
func CheckNames(s *store.Store, checkpoints []*checkpoint.Checkpoint) error {
	if err := checkNames(checkpoints); err != nil {
		return err
	}
	var errs []error
	for _, c := range checkpoints {
		if err := s.CheckModel(c.Name); err != nil {
			errs = append(errs, err)
		}
	}
	return JoinErrors(errs)
}

// checkNames refuses names that no variant can have, and names that are given twice or
// differ in case alone, which some file systems would take for one.
func checkNames(checkpoints []*checkpoint.Checkpoint) error {
	const remedy = "give it another name: NAME=FOLDER"
	seen := map[string]string{}
	var errs []error
	for _, c := range checkpoints {
		if err := store.CheckName(c.Name); err != nil {
			errs = append(errs, fmt.Errorf("checkpoint %w; %s", err, remedy))
			continue
		}
		switch other, ok := seen[strings.ToLower(c.Name)]; {
		case ok && other == c.Name:
			errs = append(errs, fmt.Errorf("two checkpoints are called %q: a variant is named after its folder; %s", c.Name, remedy))
		case ok:
			errs = append(errs, fmt.Errorf("checkpoints %q and %q differ only in case, which some systems ignore; %s", other, c.Name, remedy))
		}
		seen[strings.ToLower(c.Name)] = c.Name
	}
	return JoinErrors(errs)
}

// maxJoined is the number of errors that JoinErrors spells out.
const maxJoined = 10

// JoinErrors joins the errors that are not nil, and counts those after the first few.
func JoinErrors(errs []error) error {
	var out []error
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	if more := len(out) - maxJoined; more > 1 {
		out = append(out[:maxJoined], fmt.Errorf("and %d more errors", more))
	}
	return errors.Join(out...)
}
