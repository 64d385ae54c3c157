package main

import (
	"testing"

	"eigenserve/runtime"
)

// at is an answer by a digest between two ticks.
func at(digest string, began, ended int64) answered {
	return answered{digest: digest, began: began, ended: ended}
}

// A read may be answered by what was acknowledged before it and by what was under
// way while it went on, and by nothing else.
func TestClaims(t *testing.T) {
	c := newClaims([]string{"m"})
	before := c.tick()
	first := c.begin("m", "one")
	during := c.tick()
	first.done("one", 1)
	after := c.tick()
	second := c.begin("m", "two")
	for what, x := range map[string]struct {
		a    answered
		want verdict
	}{
		"before it was begun":     {at("one", before, before), wrongAnswer},
		"while it was under way":  {at("one", before, during), rightAnswer},
		"after it was done":       {at("one", after, after), rightAnswer},
		"the next, under way":     {at("two", after, c.tick()), rightAnswer},
		"the next, before it":     {at("two", during, after), wrongAnswer},
		"what nobody wrote":       {at("three", before, c.tick()), wrongAnswer},
		"half of it":              {at("on", before, c.tick()), wrongAnswer},
		"nothing, after all that": {at("", after, c.tick()), wrongAnswer},
	} {
		if got := c.judge("m", x.a); got != x.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	if !c.absent("m", before, during) || c.absent("m", after, c.tick()) || !c.stood("m", "one", after, after) || c.stood("m", "one", after, c.tick()) {
		t.Error("what stood when is not known")
	}
	if second.refused() == nil {
		t.Error("a change that was seen was refused without a word")
	}
	if got := c.judge("m", at("two", after, c.tick())); got != wrongAnswer {
		t.Error("what was refused answers")
	}
	if c.judge("other", at("one", after, after)) != wrongAnswer {
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
		c := newClaims([]string{"m"})
		c.begin("m", "one").done("one", 1)
		c.begin("m", "two").done("two", 2)
		c.begin("m", "three") // and then it was killed
		if err := c.settle("m", x.found, 2, true); (err != nil) != x.lost {
			t.Errorf("%s: %v", what, err)
		}
		now := c.tick()
		if c.judge("m", at(x.found, now, now)) != rightAnswer || c.current("m") != x.found {
			t.Errorf("%s: it is not settled", what)
		}
		if other := "two"; x.found != other && c.judge("m", at(other, now, now)) != wrongAnswer {
			t.Errorf("%s: another stands besides", what)
		}
	}
}

// What a change makes may be known only when it is done: answers that came
// meanwhile are judged then.
func TestClaimsJudgeLater(t *testing.T) {
	c := newClaims([]string{"m"})
	c.begin("m", "one").done("one", 1)
	ch := c.beginOpaque("m")
	for _, digest := range []string{"two", "three"} {
		if got := c.judge("m", at(digest, c.tick(), c.tick())); got != laterJudged {
			t.Errorf("%s: %v", digest, got)
		}
	}
	ch.done("two", 2)
	right, wrong := c.judgeLater("m")
	if len(right) != 1 || right[0].digest != "two" || len(wrong) != 1 || wrong[0].digest != "three" {
		t.Errorf("%v, %v", right, wrong)
	}
	if right, wrong := c.judgeLater("m"); len(right)+len(wrong) > 0 {
		t.Error("judged twice")
	}
}

// Nobody waits for a change that was abandoned: it may come after others, until
// the server is started again.
func TestClaimsGhosts(t *testing.T) {
	c := newClaims([]string{"m"})
	c.begin("m", "ghost").abandoned()
	c.begin("m", "one").done("one", 1)
	if now := c.tick(); c.judge("m", at("ghost", now, now)) != rightAnswer {
		t.Error("it can't come late")
	}
	if err := c.settle("m", "one", 1, true); err != nil {
		t.Error(err)
	}
	if now := c.tick(); c.judge("m", at("ghost", now, now)) != wrongAnswer {
		t.Error("it comes after a start")
	}
}

func TestClaimsOfAliases(t *testing.T) {
	c := newClaims([]string{"a", "m", "n"})
	c.begin("m", "m1").done("m1", 1)
	c.begin("m", "m2").done("m2", 2)
	c.begin("n", "n1").done("n1", 1)
	c.begin("a", targetsValue([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}})).done(
		targetsValue([]runtime.Target{{Model: "m", Version: 1, Weight: 1}, {Model: "n", Weight: 0}}), 0)
	now := c.tick()
	for _, x := range []struct {
		model, digest string
		want          verdict
	}{{"m", "m1", rightAnswer}, {"m", "m2", wrongAnswer}, {"n", "n1", wrongAnswer}} {
		if got := c.judgeAlias("a", x.model, at(x.digest, now, now)); got != x.want {
			t.Errorf("%v: %v", x, got)
		}
	}
	if c.newest("m", "m1") != 1 || c.newest("m", "m9") != 0 {
		t.Error("versions")
	}
}
