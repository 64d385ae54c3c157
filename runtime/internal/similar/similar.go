// Package similar finds the name that was probably meant by one that does not exist. It
// knows neither models nor catalogues.
package similar

import (
	"slices"
	"strings"
	"unicode"
)

// maxDistance is how many changes of a letter a name may be away from the one meant.
const maxDistance = 2

// minPrefix is how many letters the beginning of a name must have to stand for it.
const minPrefix = 3

// Name returns the name most like the given one, of those for which visible reports true,
// or "" if none is alike. A nil visible is true for all. Changing, adding or removing a
// letter and swapping two neighbours count 1 each, and another case nothing; next come
// names that begin with the given one, the shortest first.
func Name(name string, among []string, visible func(string) bool) string {
	m := &meter{}
	wanted := slices.Clone(m.fold(name))
	most := allowed(len(wanted))
	best, least := "", most+1
	longer := "" // the shortest name that begins with the given one
	for _, candidate := range among {
		begins := len(wanted) >= minPrefix && len(candidate) > len(name) && strings.EqualFold(candidate[:len(name)], name)
		shorter := begins && (longer == "" || len(candidate) < len(longer))
		d := m.distance(wanted, m.fold(candidate), least)
		if d >= least && !shorter || candidate == name || visible != nil && !visible(candidate) {
			continue
		}
		if d < least {
			best, least = candidate, d
		}
		if shorter {
			longer = candidate
		}
	}
	if best == "" {
		return longer
	}
	return best
}

// allowed returns how far from a name of n letters another may be: a short name is near
// everything.
func allowed(n int) int {
	switch {
	case n < 2:
		return 0
	case n < 4:
		return 1
	}
	return maxDistance
}

// meter measures distances. It keeps its memory between names.
type meter struct {
	letters           []rune
	before, last, now []int
}

// fold returns a name's letters in lower case, valid until the next call.
func (m *meter) fold(name string) []rune {
	m.letters = m.letters[:0]
	for _, c := range name {
		m.letters = append(m.letters, unicode.ToLower(c))
	}
	return m.letters
}

// distance returns how many changes lead from a to b, at most limit. It is the optimal
// string alignment distance, computed row by row, and in each row only where it can be
// less than limit: near the diagonal.
func (m *meter) distance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	for len(m.now) <= len(b) {
		m.before, m.last, m.now = append(m.before, 0), append(m.last, 0), append(m.now, 0)
	}
	for j := range len(b) + 1 {
		m.before[j], m.last[j], m.now[j] = limit, min(j, limit), limit
	}
	for i := range a {
		from, to := max(0, i-limit), min(len(b), i+limit)
		m.now[from] = limit
		if from == 0 {
			m.now[0] = min(i+1, limit)
		}
		least := m.now[from]
		for j := from; j < to; j++ {
			m.now[j+1] = m.step(a, b, i, j)
			least = min(least, m.now[j+1])
		}
		if to < len(b) {
			m.now[to+1] = limit
		}
		if least >= limit {
			return limit
		}
		m.before, m.last, m.now = m.last, m.now, m.before
	}
	return min(m.last[len(b)], limit)
}

// step returns the distance of the first i+1 letters of a to the first j+1 of b.
func (m *meter) step(a, b []rune, i, j int) int {
	if a[i] == b[j] {
		return m.last[j]
	}
	d := 1 + min(m.last[j+1], m.now[j], m.last[j])
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		d = min(d, 1+m.before[j-1])
	}
	return d
}
