package chaos

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// history records the values that each name may have had, as far as the writers know:
// the last acknowledged value, and the values of writes whose outcome is not known
// yet. It is the model that the server is checked against.
//
// Time is a count of events, so that "before" is certain: a read that started at one
// tick and ended at another may return any value that was possible in between.
type history struct {
	mu        sync.Mutex // guards all fields below, except register.writing
	now       int64
	registers map[string]*register
	// versions are the digests of all versions that were acknowledged.
	versions map[modelVersion]string
}

type modelVersion struct {
	model  string
	number int
}

// register holds the possible values of one name, a model or an alias. A writer holds
// writing, so that only an aborted write can add a third possibility to the old and
// the new value.
type register struct {
	name    string
	writing sync.Mutex // held during a write
	values  []*possibleValue
	pending []read // of values that are still unknown
}

// possibleValue is a value that a name may have had between two ticks: a digest, or
// an alias's targets; "" for none.
type possibleValue struct {
	value       string
	from, until int64
	unknown     bool // until the write is acknowledged
	seen        bool // a read cannot be explained without it
	detached    bool // its writer does not wait for it; it may take effect later
}

// forever is the until of a value that is still possible.
const forever = math.MaxInt64

func newHistory(names []string) *history {
	h := &history{registers: map[string]*register{}, versions: map[modelVersion]string{}}
	for _, name := range names {
		h.registers[name] = &register{name: name, values: []*possibleValue{{until: forever}}}
	}
	return h
}

// tick returns the time of a new event.
func (h *history) tick() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next()
}

func (h *history) next() int64 { h.now++; return h.now }

// write is a write in progress.
type write struct {
	history  *history
	register *register
	outcome  *possibleValue
}

// begin starts a write of a value. It is called with the register's writing held.
func (h *history) begin(name, value string) *write {
	return h.start(name, possibleValue{value: value})
}

// beginUnknown starts a write whose value is known when it ends. It is called with the
// register's writing held.
func (h *history) beginUnknown(name string) *write {
	return h.start(name, possibleValue{unknown: true})
}

func (h *history) start(name string, v possibleValue) *write {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.from, v.until = h.next(), forever
	r := h.registers[name]
	r.values = append(r.values, &v)
	return &write{h, r, &v}
}

// commit ends a write that was acknowledged: its value is the only possible one.
func (w *write) commit(value string, version int) {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	w.outcome.value, w.outcome.unknown = value, false
	if version > 0 {
		w.history.versions[modelVersion{w.register.name, version}] = value
	}
	w.register.closeOthers(w.history.next(), w.outcome)
}

// abort ends a write that was refused and must have had no effect. It returns an error
// if a read shows that it had.
func (w *write) abort() error {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	w.register.values = slices.DeleteFunc(w.register.values, func(v *possibleValue) bool { return v == w.outcome })
	if w.outcome.seen {
		return fmt.Errorf("%s: a write of %.12s was refused, but a read returned it", w.register.name, w.outcome.value)
	}
	return nil
}

// detach ends a write that nobody waits for any more, and that may take effect now or
// later.
func (w *write) detach() {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	w.outcome.detached = true
}

// maxValues is the number of values of a register beyond which old ones are forgotten.
const maxValues = 4096

// closeOthers ends all possible values but one. It is called with history.mu held.
func (r *register) closeOthers(now int64, keep *possibleValue) {
	for _, v := range r.values {
		if v != keep && v.until == forever && !v.detached {
			v.until = now
		}
	}
	if len(r.values) > maxValues {
		r.values = slices.Clone(r.values[maxValues/2:])
	}
}

// during returns the values that were possible at any time between two ticks. It is
// called with history.mu held.
func (r *register) during(from, to int64) (out []*possibleValue) {
	for _, v := range r.values {
		if v.from <= to && v.until >= from {
			out = append(out, v)
		}
	}
	return out
}

// reconcile records the value that a name was found to have while no write was in
// progress. It returns an error if the value was not possible: a write was lost, or
// took effect in part. It is called with the register's writing held. restarted says
// that the server has been restarted since, so that detached writes have ended.
func (h *history) reconcile(name, value string, version int, restarted bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.registers[name]
	found := r.find(value)
	if found == nil {
		err := r.impossible(value)
		r.values = append(r.values, &possibleValue{value: value, from: h.next(), until: forever})
		r.closeOthers(h.now, r.values[len(r.values)-1])
		return err
	}
	found.value, found.unknown = value, false
	if version > 0 {
		h.versions[modelVersion{name, version}] = value
	}
	if restarted {
		for _, v := range r.values {
			v.detached = false
		}
	}
	r.closeOthers(h.next(), found)
	return nil
}

// find returns the possible value that explains a value now: one that is equal, or
// else one that is unknown.
func (r *register) find(value string) (found *possibleValue) {
	for _, v := range r.values {
		if v.until == forever && (v.unknown || v.value == value) && (found == nil || found.unknown) {
			found = v
		}
	}
	return found
}

func (r *register) impossible(value string) error {
	var possible []string
	for _, v := range r.values {
		if v.until == forever {
			possible = append(possible, fmt.Sprintf("%.40q", v.value))
		}
	}
	return fmt.Errorf("%s: has value %.40q, but only %v were acknowledged or in progress", r.name, value, possible)
}

// verdict says whether a read agrees with the history.
type verdict int

const (
	invalid verdict = iota
	valid
	undecided // until a write in progress is acknowledged
)

// judge says whether a model may have answered as it did.
func (h *history) judge(model string, a read) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.judgeModel(model, a)
}

// judgeModel is judge with mu held.
func (h *history) judgeModel(model string, a read) verdict {
	r := h.registers[model]
	if r == nil {
		return invalid
	}
	var match *possibleValue
	matches, unknown := 0, false
	for _, v := range r.during(a.began, a.ended) {
		unknown = unknown || v.unknown
		if !v.unknown && v.value == a.digest {
			matches++
			match = v
		}
	}
	switch {
	case matches == 1:
		match.seen = true
		return valid
	case matches > 1:
		return valid
	case unknown && a.digest != "":
		r.pending = append(r.pending, a)
		return undecided
	}
	return invalid
}

// judgeAlias says whether a model may have answered a request for an alias.
func (h *history) judgeAlias(alias, model string, a read) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	best := invalid
	for _, v := range h.registers[alias].during(a.began, a.ended) {
		for _, t := range parseTargets(v.value) {
			if t.Model != model || t.Weight == 0 {
				continue
			}
			got := invalid
			if t.Version == 0 {
				got = h.judgeModel(model, a)
			} else if h.versions[modelVersion{model, t.Version}] == a.digest {
				got = valid
			}
			if got == valid {
				return got
			}
			best = max(best, got)
		}
	}
	return best
}

// judgePending returns the undecided reads of a name, by whether its value at the time
// is now known to agree.
func (h *history) judgePending(name string) (right, wrong []read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.registers[name]
	pending := r.pending
	r.pending = nil
	for _, a := range pending {
		if slices.ContainsFunc(r.during(a.began, a.ended), func(v *possibleValue) bool { return !v.unknown && v.value == a.digest }) {
			right = append(right, a)
		} else {
			wrong = append(wrong, a)
		}
	}
	return right, wrong
}

// mayBeAbsent reports whether a name may have had no value between two ticks.
func (h *history) mayBeAbsent(name string, began, ended int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.registers[name].during(began, ended), func(v *possibleValue) bool { return v.value == "" })
}

// heldThroughout reports whether a name had one value all the time between two ticks.
func (h *history) heldThroughout(name, value string, began, ended int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	values := h.registers[name].during(began, ended)
	return len(values) == 1 && values[0].value == value && !values[0].unknown
}

// latest returns the latest known value that a name may have now.
func (h *history) latest(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range slices.Backward(h.registers[name].values) {
		if v.until == forever && !v.unknown {
			return v.value
		}
	}
	return ""
}

// versionOf returns the highest number of a model's version with a digest, 0 if none is
// known.
func (h *history) versionOf(model, digest string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	number := 0
	for v, d := range h.versions {
		if v.model == model && d == digest {
			number = max(number, v.number)
		}
	}
	return number
}
