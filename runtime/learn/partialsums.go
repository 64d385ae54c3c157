package learn

import (
	"encoding/json"
	"fmt"

	"eigenserve/models/nn"
)

// partialSums saves an unfinished measurement in the workspace of the fit: the sums of
// each layer in a file whose name has the number of members in them, then a note with
// that number. Files without a note are ignored: they are left by a fit that was killed
// before it wrote the note.
type partialSums struct {
	work     *workspace // nil to save nothing
	from, to int        // of the plan's layers
	members  int        // in the saved sums
}

// sumsNote is the content of the note. JSON keeps float64s bit for bit.
type sumsNote struct {
	Members int `json:"members"`
	nn.Counts
}

// noteName returns the name of the note.
func (p *partialSums) noteName() string { return fmt.Sprintf("sums-%04d", p.from) }

// fileName returns the name of the file with a layer's sums over members.
func (p *partialSums) fileName(members, layer int) string {
	return fmt.Sprintf("sums-%04d-%04d-%04d", p.from, members, layer)
}

// restore returns the saved moments and the number of members in them. If any part is
// missing, it removes the others and returns empty moments.
func (p *partialSums) restore(plan *nn.Plan) (m *nn.Moments, members int, err error) {
	m = nn.NewMomentsOf(plan, p.from, p.to)
	var note sumsNote
	if p.work == nil || json.Unmarshal([]byte(p.work.parts.Note(p.noteName())), &note) != nil {
		return m, 0, nil
	}
	p.members = note.Members
	if p.read(m) && m.Restore(note.Counts) {
		return m, p.members, nil
	}
	return nn.NewMomentsOf(plan, p.from, p.to), 0, p.remove()
}

// read reads the sums of the layers and reports whether all were saved.
func (p *partialSums) read(m *nn.Moments) bool {
	for i := p.from; i < p.to; i++ {
		saved := p.work.parts.Numbers(p.fileName(p.members, i))
		input, output := m.Sums(i)
		if len(saved["input"]) != len(input) || len(saved["output"]) != len(output) {
			return false
		}
		copy(input, saved["input"])
		copy(output, saved["output"])
	}
	return true
}

// save writes the sums over the given number of members, then removes those that were
// saved before.
func (p *partialSums) save(m *nn.Moments, members int) error {
	if p.work == nil {
		return nil
	}
	for i := p.from; i < p.to; i++ {
		input, output := m.Sums(i)
		if err := p.work.parts.PutNumbers(p.fileName(members, i), map[string][]float32{"input": input, "output": output}); err != nil {
			return err
		}
	}
	text, err := json.Marshal(sumsNote{members, m.Counts()})
	if err != nil {
		return fmt.Errorf("save a measurement: %w", err)
	}
	if err := p.work.parts.PutNote(p.noteName(), string(text)); err != nil {
		return err
	}
	err = p.removeFiles()
	p.members = members
	return err
}

// remove deletes the note and the files.
func (p *partialSums) remove() error {
	if p.work == nil || p.members == 0 {
		return nil
	}
	if err := p.work.parts.DeleteNote(p.noteName()); err != nil {
		return err
	}
	err := p.removeFiles()
	p.members = 0
	return err
}

// removeFiles deletes the files of the saved sums.
func (p *partialSums) removeFiles() error {
	for i := p.from; p.members > 0 && i < p.to; i++ {
		if err := p.work.parts.DeleteNumbers(p.fileName(p.members, i)); err != nil {
			return err
		}
	}
	return nil
}
