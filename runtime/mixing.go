package runtime

import "time"

// mixing decides whether batches of a family mix its variants. Rows of several in
// one pass share what the pass does for all, as starting it and reading the basis;
// they also wait for each other, and each variant's own part is in the way of the
// next. Which of it weighs more is the model's, the machine's and the traffic's
// matter, so both ways are measured where there is a choice, and the one taken that
// has the shorter rows. Guarded by scheduler.mu.
type mixing struct {
	choices int
	// What a row that is answered factored takes of a pass, in batches that were
	// chosen to mix and in those that were not.
	together, apart average
}

const (
	// mixingGain is the part of a row's time by which mixing has to be better: all
	// rows of a batch wait for its last.
	mixingGain = 16
	// mixingTrial is how many choices are between two that go the other way, so
	// that what is not taken stays measured.
	mixingTrial = 16
)

// choice is how a batch was chosen to be put together.
type choice uint8

const (
	noChoice choice = iota // no two variants waited
	chosenMixed
	chosenApart
)

// pays tells whether mixing is the better way, as far as is known. Before anything
// is, it counts as that.
func (m *mixing) pays() bool {
	together, apart := m.together.mean(), m.apart.mean()
	return apart == 0 || together == 0 || together < apart-apart/mixingGain
}

// choose takes the way for a batch: the better one; now and then, and as long as
// it is not measured, the other.
func (m *mixing) choose() choice {
	m.choices++
	pays := m.pays()
	if known := m.together.mean(); known > 0 && (m.apart.mean() == 0 || m.choices%mixingTrial == 0) {
		pays = !pays
	}
	if pays {
		return chosenMixed
	}
	return chosenApart
}

// took takes in a row's time of a batch that was chosen.
func (m *mixing) took(c choice, row time.Duration) {
	switch {
	case row <= 0:
	case c == chosenMixed:
		m.together.observe(row)
	case c == chosenApart:
		m.apart.observe(row)
	}
}

// factoredRow is what one row that is answered factored took of a pass over so many
// of each kind, in the proportion that their times have; 0 while that is not known.
func (c *costs) factoredRow(took time.Duration, warm, factored int) time.Duration {
	each := c.factored.mean()
	expected := time.Duration(warm)*c.warm.mean() + time.Duration(factored)*each
	if each == 0 || expected == 0 || warm > 0 && c.warm.mean() == 0 {
		return 0
	}
	return time.Duration(float64(took) / float64(expected) * float64(each))
}
