package learn

import (
	"encoding/json"
	"fmt"

	"eigenserve/models/nn"
)

// partialSums saves an unfinished measurement in the workspace of the fit: the sums of
// each layer in a file named after the number of members in them, then a note with that
// number. Only the note counts: files without one, left by a fit that was killed between
// the two, are ignored.
type partialSums struct {
	work     *workspace // nil for nowhere
	from, to int        // of the plan's layers
	members  int        // in the sums that are saved
}

// sumsNote is the content of the note. JSON keeps float64s bit for bit.
type sumsNote struct {
	Members int `json:"members"`
	nn.Counts
}

func (p *partialSums) note() string { return fmt.Sprintf("sums-%04d", p.from) }

func (p *partialSums) file(members, layer int) string {
	return fmt.Sprintf("sums-%04d-%04d-%04d", p.from, members, layer)
}

// restore returns the saved moments and the number of members in them. If any part is
// missing, it returns empty moments.
func (p *partialSums) restore(plan *nn.Plan) (m *nn.Moments, members int, err error) {
	m = nn.NewMomentsOf(plan, p.from, p.to)
	var note sumsNote
	if p.work == nil || json.Unmarshal([]byte(p.work.kept.Note(p.note())), &note) != nil {
		return m, 0, nil
	}
	p.members = note.Members
	if p.read(m) && m.Restore(note.Counts) {
		return m, p.members, nil
	}
	return nn.NewMomentsOf(plan, p.from, p.to), 0, p.remove()
}

// read reads the sums of the layers and reports whether all are there.
func (p *partialSums) read(m *nn.Moments) bool {
	for i := p.from; i < p.to; i++ {
		saved := p.work.kept.Numbers(p.file(p.members, i))
		input, output := m.Sums(i)
		if len(saved["input"]) != len(input) || len(saved["output"]) != len(output) {
			return false
		}
		copy(input, saved["input"])
		copy(output, saved["output"])
	}
	return true
}

// save writes the sums over the given number of members, then removes the ones saved
// before.
func (p *partialSums) save(m *nn.Moments, members int) error {
	if p.work == nil {
		return nil
	}
	for i := p.from; i < p.to; i++ {
		input, output := m.Sums(i)
		if err := p.work.kept.PutNumbers(p.file(members, i), map[string][]float32{"input": input, "output": output}); err != nil {
			return err
		}
	}
	text, err := json.Marshal(sumsNote{members, m.Counts()})
	if err != nil {
		return fmt.Errorf("save a measurement: %w", err)
	}
	if err := p.work.kept.PutNote(p.note(), string(text)); err != nil {
		return err
	}
	err = p.removeFiles()
	p.members = members
	return err
}

// remove deletes what is saved.
func (p *partialSums) remove() error {
	if p.work == nil || p.members == 0 {
		return nil
	}
	if err := p.work.kept.DeleteNote(p.note()); err != nil {
		return err
	}
	err := p.removeFiles()
	p.members = 0
	return err
}

func (p *partialSums) removeFiles() error {
	for i := p.from; p.members > 0 && i < p.to; i++ {
		if err := p.work.kept.DeleteNumbers(p.file(p.members, i)); err != nil {
			return err
		}
	}
	return nil
}
