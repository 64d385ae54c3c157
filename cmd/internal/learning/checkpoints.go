// Package learning holds what the commands share that fit bases and make variants:
// flags, checkpoints, and the families found among them. It runs no fit: see
// runtime/learn.
package learning

import (
	"fmt"
	"io"
	"strings"

	"eigenserve/models"
	"eigenserve/runtime/learn"
	"eigenserve/store/checkpoint"
)

// Checkpoints are the open checkpoints of a command.
type Checkpoints []*checkpoint.Checkpoint

// OpenCheckpoints opens checkpoints. The caller must close them. If some cannot be opened,
// the error also lists what is wrong with the others.
func OpenCheckpoints(sources []Source) (Checkpoints, error) {
	var out Checkpoints
	var errs []error
	for _, s := range sources {
		c, err := s.Open()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, c)
	}
	if len(errs) == 0 {
		return out, nil
	}
	errs = append(errs, learn.Check(out)...)
	out.Close()
	return nil, learn.JoinErrors(errs)
}

// Open opens the checkpoint in a folder.
func (s Source) Open() (*checkpoint.Checkpoint, error) {
	c, err := checkpoint.Open(s.Path)
	if err != nil {
		return nil, err
	}
	c.Name = s.Name
	return c, nil
}

// Bytes returns the size of the checkpoints' files.
func (c Checkpoints) Bytes() (n int64) {
	for _, ck := range c {
		n += ck.Bytes()
	}
	return n
}

// WarnOfAssumptions writes a line to w for each assumption about how images are prepared,
// with the checkpoints that it was made for.
func (c Checkpoints) WarnOfAssumptions(w io.Writer) {
	var texts []string
	names := map[string][]string{}
	for _, ck := range c {
		m, err := models.Open(ck.Config, ck.Preprocessor)
		if err != nil {
			continue // whoever uses it says so
		}
		text := m.Input().Image.Assumed
		if text != "" && names[text] == nil {
			texts = append(texts, text)
		}
		names[text] = append(names[text], ck.Name)
	}
	for _, text := range texts {
		fmt.Fprintf(w, "eigenserve: %s: %s\n", someNames(names[text]), text)
	}
}

// someNames lists a few names, and counts the others.
func someNames(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// Close closes the checkpoints.
func (c Checkpoints) Close() {
	for _, ck := range c {
		ck.Close()
	}
}
