package chaos

import (
	"testing"

	"eigenserve/runtime"
)

// readOf returns a read of a digest between two ticks.
func readOf(digest string, began, ended int64) read {
	return read{digest: digest, began: began, ended: ended}
}

// A read may return what was acknowledged before it and what was being written during
// it, and nothing else.
func TestHistory(t *testing.T) {
	h := newHistory([]string{"m"})
	before := h.tick()
	first := h.begin("m", "one")
	during := h.tick()
	first.commit("one", 1)
	after := h.tick()
	second := h.begin("m", "two")
	for what, x := range map[string]struct {
		a    read
		want verdict
	}{
		"before the write":          {readOf("one", before, before), invalid},
		"during the write":          {readOf("one", before, during), valid},
		"after the write":           {readOf("one", after, after), valid},
		"the next value, during":    {readOf("two", after, h.tick()), valid},
		"the next value, before":    {readOf("two", during, after), invalid},
		"a value that nobody wrote": {readOf("three", before, h.tick()), invalid},
		"part of a value":           {readOf("on", before, h.tick()), invalid},
		"no value, after a write":   {readOf("", after, h.tick()), invalid},
	} {
		if got := h.judge("m", x.a); got != x.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	if !h.mayBeAbsent("m", before, during) || h.mayBeAbsent("m", after, h.tick()) || !h.heldThroughout("m", "one", after, after) || h.heldThroughout("m", "one", after, h.tick()) {
		t.Error("mayBeAbsent or heldThroughout is wrong")
	}
	if second.abort() == nil {
		t.Error("a write was aborted without an error, though it was seen")
	}
	if got := h.judge("m", readOf("two", after, h.tick())); got != invalid {
		t.Error("an aborted value is valid")
	}
	if h.judge("other", readOf("one", after, after)) != invalid {
		t.Error("an unknown model is valid")
	}
}

// After a kill a name has the value that was acknowledged or one that was being written.
// A lost write is an error, and so is a part of one.
func TestReconcile(t *testing.T) {
	for what, x := range map[string]struct {
		found string
		lost  bool
	}{
		"the acknowledged value": {"two", false},
		"the one being written":  {"three", false},
		"an older value":         {"one", true},
		"no value":               {"", true},
		"part of a value":        {"thr", true},
	} {
		h := newHistory([]string{"m"})
		h.begin("m", "one").commit("one", 1)
		h.begin("m", "two").commit("two", 2)
		h.begin("m", "three") // then the server is killed
		if err := h.reconcile("m", x.found, 2, true); (err != nil) != x.lost {
			t.Errorf("%s: %v", what, err)
		}
		now := h.tick()
		if h.judge("m", readOf(x.found, now, now)) != valid || h.latest("m") != x.found {
			t.Errorf("%s: it is not the value afterwards", what)
		}
		if other := "two"; x.found != other && h.judge("m", readOf(other, now, now)) != invalid {
			t.Errorf("%s: another value is valid, too", what)
		}
	}
}

// Reads during a write of an unknown value are judged when it is acknowledged.
func TestJudgePending(t *testing.T) {
	h := newHistory([]string{"m"})
	h.begin("m", "one").commit("one", 1)
	w := h.beginUnknown("m")
	for _, digest := range []string{"two", "three"} {
		if got := h.judge("m", readOf(digest, h.tick(), h.tick())); got != undecided {
			t.Errorf("%s: %v", digest, got)
		}
	}
	w.commit("two", 2)
	right, wrong := h.judgePending("m")
	if len(right) != 1 || right[0].digest != "two" || len(wrong) != 1 || wrong[0].digest != "three" {
		t.Errorf("%v, %v", right, wrong)
	}
	if right, wrong := h.judgePending("m"); len(right)+len(wrong) > 0 {
		t.Error("a read was judged twice")
	}
}

// A detached write may take effect after others, until the server is restarted.
func TestDetachedWrite(t *testing.T) {
	h := newHistory([]string{"m"})
	h.begin("m", "late").detach()
	h.begin("m", "one").commit("one", 1)
	if now := h.tick(); h.judge("m", readOf("late", now, now)) != valid {
		t.Error("a detached write cannot take effect later")
	}
	if err := h.reconcile("m", "one", 1, true); err != nil {
		t.Error(err)
	}
	if now := h.tick(); h.judge("m", readOf("late", now, now)) != invalid {
		t.Error("a detached write takes effect after a restart")
	}
}

func TestJudgeAlias(t *testing.T) {
	h := newHistory([]string{"a", "m", "n"})
	h.begin("m", "m1").commit("m1", 1)
	h.begin("m", "m2").commit("m2", 2)
	h.begin("n", "n1").commit("n1", 1)
	h.begin("a", formatTargets([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}})).commit(
		formatTargets([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}}), 0)
	now := h.tick()
	for _, x := range []struct {
		model, digest string
		want          verdict
	}{{"m", "m1", valid}, {"m", "m2", invalid}, {"n", "n1", invalid}} {
		if got := h.judgeAlias("a", x.model, readOf(x.digest, now, now)); got != x.want {
			t.Errorf("%v: %v", x, got)
		}
	}
	if h.versionOf("m", "m1") != 1 || h.versionOf("m", "m9") != 0 {
		t.Error("versionOf is wrong")
	}
}
