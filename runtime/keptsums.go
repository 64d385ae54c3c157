package runtime

import (
	"encoding/json"
	"fmt"

	"eigenserve/models/nn"
)

// keptSums keeps a measurement under way in the fit's folder: the sums of each
// layer in a file named by how many members are in them, then a note that names
// that number. The note is what counts: files without one, of a fit that was
// killed between the two, are as good as none.
type keptSums struct {
	work     *fitWork // nil for nothing
	from, to int      // of the plan's layers
	members  int      // in the sums that are kept
}

// sumsNote is the note's text. Numbers in JSON are read back bit for bit.
type sumsNote struct {
	Members int `json:"members"`
	nn.Counts
}

func (k *keptSums) note() string { return fmt.Sprintf("sums-%04d", k.from) }

func (k *keptSums) file(members, layer int) string {
	return fmt.Sprintf("sums-%04d-%04d-%04d", k.from, members, layer)
}

// restore gives the moments of what was kept, and the number of members that are
// in them. Where anything of it is missing both are none.
func (k *keptSums) restore(plan *nn.Plan) (m *nn.Moments, members int, err error) {
	m = nn.NewMomentsOf(plan, k.from, k.to)
	var note sumsNote
	if k.work == nil || json.Unmarshal([]byte(k.work.kept.Note(k.note())), &note) != nil {
		return m, 0, nil
	}
	k.members = note.Members
	if k.read(m) && m.Restore(note.Counts) {
		return m, k.members, nil
	}
	return nn.NewMomentsOf(plan, k.from, k.to), 0, k.drop()
}

// read reads the layers' sums.
func (k *keptSums) read(m *nn.Moments) bool {
	for i := k.from; i < k.to; i++ {
		kept := k.work.kept.Numbers(k.file(k.members, i))
		input, output := m.Sums(i)
		if len(kept["input"]) != len(input) || len(kept["output"]) != len(output) {
			return false
		}
		copy(input, kept["input"])
		copy(output, kept["output"])
	}
	return true
}

// keep writes what so many members have summed up, in the place of what was kept
// before.
func (k *keptSums) keep(m *nn.Moments, members int) error {
	if k.work == nil {
		return nil
	}
	for i := k.from; i < k.to; i++ {
		input, output := m.Sums(i)
		if err := k.work.kept.PutNumbers(k.file(members, i), map[string][]float32{"input": input, "output": output}); err != nil {
			return err
		}
	}
	text, err := json.Marshal(sumsNote{members, m.Counts()})
	if err != nil {
		return fmt.Errorf("keep what was measured: %w", err)
	}
	if err := k.work.kept.PutNote(k.note(), string(text)); err != nil {
		return err
	}
	err = k.dropFiles()
	k.members = members
	return err
}

// drop removes what is kept.
func (k *keptSums) drop() error {
	if k.work == nil || k.members == 0 {
		return nil
	}
	if err := k.work.kept.DeleteNote(k.note()); err != nil {
		return err
	}
	err := k.dropFiles()
	k.members = 0
	return err
}

func (k *keptSums) dropFiles() error {
	for i := k.from; k.members > 0 && i < k.to; i++ {
		if err := k.work.kept.DeleteNumbers(k.file(k.members, i)); err != nil {
			return err
		}
	}
	return nil
}
