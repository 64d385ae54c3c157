package chaos

import (
	"testing"

	"eigenserve/runtime"
)

// readOf is an answer by a digest between two ticks.
func readOf(digest string, began, ended int64) read {
	return read{digest: digest, began: began, ended: ended}
}

// A read may be answered by what was acknowledged before it and by what was under
// way while it went on, and by nothing else.
func TestClaims(t *testing.T) {
	c := newHistory([]string{"m"})
	before := c.tick()
	first := c.begin("m", "one")
	during := c.tick()
	first.commit("one", 1)
	after := c.tick()
	second := c.begin("m", "two")
	for what, x := range map[string]struct {
		a    read
		want verdict
	}{
		"before it was begun":     {readOf("one", before, before), invalid},
		"while it was under way":  {readOf("one", before, during), valid},
		"after it was done":       {readOf("one", after, after), valid},
		"the next, under way":     {readOf("two", after, c.tick()), valid},
		"the next, before it":     {readOf("two", during, after), invalid},
		"what nobody wrote":       {readOf("three", before, c.tick()), invalid},
		"half of it":              {readOf("on", before, c.tick()), invalid},
		"nothing, after all that": {readOf("", after, c.tick()), invalid},
	} {
		if got := c.judge("m", x.a); got != x.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	if !c.mayBeAbsent("m", before, during) || c.mayBeAbsent("m", after, c.tick()) || !c.heldThroughout("m", "one", after, after) || c.heldThroughout("m", "one", after, c.tick()) {
		t.Error("what stood when is not known")
	}
	if second.abort() == nil {
		t.Error("a change that was seen was refused without a word")
	}
	if got := c.judge("m", readOf("two", after, c.tick())); got != invalid {
		t.Error("what was refused answers")
	}
	if c.judge("other", readOf("one", after, after)) != invalid {
		t.Error("a model that is not there answers")
	}
}

// After a kill a name stands for what was acknowledged or was under way; a lost
// write is told, and half of one.
func TestClaimsSettle(t *testing.T) {
	for what, x := range map[string]struct {
		found string
		lost  bool
	}{
		"what was acknowledged": {"two", false}, "what was under way": {"three", false},
		"what was before": {"one", true}, "nothing": {"", true}, "half of it": {"thr", true},
	} {
		c := newHistory([]string{"m"})
		c.begin("m", "one").commit("one", 1)
		c.begin("m", "two").commit("two", 2)
		c.begin("m", "three") // and then it was killed
		if err := c.reconcile("m", x.found, 2, true); (err != nil) != x.lost {
			t.Errorf("%s: %v", what, err)
		}
		now := c.tick()
		if c.judge("m", readOf(x.found, now, now)) != valid || c.latest("m") != x.found {
			t.Errorf("%s: it is not settled", what)
		}
		if other := "two"; x.found != other && c.judge("m", readOf(other, now, now)) != invalid {
			t.Errorf("%s: another stands besides", what)
		}
	}
}

// What a change makes may be known only when it is done: answers that came
// meanwhile are judged then.
func TestClaimsJudgeLater(t *testing.T) {
	c := newHistory([]string{"m"})
	c.begin("m", "one").commit("one", 1)
	ch := c.beginUnknown("m")
	for _, digest := range []string{"two", "three"} {
		if got := c.judge("m", readOf(digest, c.tick(), c.tick())); got != undecided {
			t.Errorf("%s: %v", digest, got)
		}
	}
	ch.commit("two", 2)
	right, wrong := c.judgePending("m")
	if len(right) != 1 || right[0].digest != "two" || len(wrong) != 1 || wrong[0].digest != "three" {
		t.Errorf("%v, %v", right, wrong)
	}
	if right, wrong := c.judgePending("m"); len(right)+len(wrong) > 0 {
		t.Error("judged twice")
	}
}

// Nobody waits for a change that was abandoned: it may come after others, until
// the server is started again.
func TestClaimsGhosts(t *testing.T) {
	c := newHistory([]string{"m"})
	c.begin("m", "ghost").detach()
	c.begin("m", "one").commit("one", 1)
	if now := c.tick(); c.judge("m", readOf("ghost", now, now)) != valid {
		t.Error("it can't come late")
	}
	if err := c.reconcile("m", "one", 1, true); err != nil {
		t.Error(err)
	}
	if now := c.tick(); c.judge("m", readOf("ghost", now, now)) != invalid {
		t.Error("it comes after a start")
	}
}

func TestClaimsOfAliases(t *testing.T) {
	c := newHistory([]string{"a", "m", "n"})
	c.begin("m", "m1").commit("m1", 1)
	c.begin("m", "m2").commit("m2", 2)
	c.begin("n", "n1").commit("n1", 1)
	c.begin("a", formatTargets([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}})).commit(
		formatTargets([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}}), 0)
	now := c.tick()
	for _, x := range []struct {
		model, digest string
		want          verdict
	}{{"m", "m1", valid}, {"m", "m2", invalid}, {"n", "n1", invalid}} {
		if got := c.judgeAlias("a", x.model, readOf(x.digest, now, now)); got != x.want {
			t.Errorf("%v: %v", x, got)
		}
	}
	if c.versionOf("m", "m1") != 1 || c.versionOf("m", "m9") != 0 {
		t.Error("versions")
	}
}
