package store_test

import (
	"errors"
	"strings"
	"testing"

	"eigenserve/store"

	"github.com/google/go-cmp/cmp"
)

func alias(name string, targets ...store.Target) store.Alias {
	return store.Alias{Name: name, Targets: targets, Updated: someDay}
}

func TestAliasLifecycle(t *testing.T) {
	s := create(t)
	for _, label := range []string{"a", "b"} {
		put(t, s, "cats", label)
	}
	put(t, s, "dogs", "c")
	for i, a := range []store.Alias{
		alias("live", store.Target{Model: "cats", Version: 1, Weight: 1}),
		alias("live", store.Target{Model: "cats", Version: 2, Weight: 90}, store.Target{Model: "dogs", Weight: 10}),
	} {
		replaced, err := s.PutAlias(a)
		if err != nil || replaced != (i > 0) {
			t.Fatal(replaced, err)
		}
		for _, s := range []*store.Store{s, reopen(t, s)} {
			if diff := cmp.Diff([]store.Alias{a}, s.Aliases()); diff != "" {
				t.Error(diff)
			}
		}
	}
	if err := s.DeleteAlias("live"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*store.Store{s, reopen(t, s)} {
		if err := s.DeleteAlias("live"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
	put(t, s, "LIVE", "c") // the spelling is free again
}

func TestPutAliasRefusals(t *testing.T) {
	s := create(t)
	put(t, s, "cats", "a")
	target := func(model string, version, weight int) store.Target {
		return store.Target{Model: model, Version: version, Weight: weight}
	}
	for _, c := range []struct {
		name string
		a    store.Alias
		is   error
	}{
		{"a bad name", alias("a/b", target("cats", 1, 1)), store.ErrName},
		{"a model's name", alias("cats", target("cats", 1, 1)), store.ErrInUse},
		{"a model's name in upper case", alias("CATS", target("cats", 1, 1)), store.ErrName},
		{"no targets", alias("x"), store.ErrAlias},
		{"an unknown model", alias("x", target("dogs", 0, 1)), store.ErrNotFound},
		{"an unknown version", alias("x", target("cats", 2, 1)), store.ErrNotFound},
		{"one unknown model of two", alias("x", target("cats", 1, 1), target("dogs", 1, 1)), store.ErrNotFound},
		{"a path for a model", alias("x", target("../cats", 1, 1)), store.ErrName},
		{"no weights", alias("x", target("cats", 1, 0), target("cats", 0, 0)), store.ErrAlias},
		{"a negative weight", alias("x", target("cats", 1, 2), target("cats", 0, -1)), store.ErrAlias},
		{"a negative version", alias("x", target("cats", -1, 1)), store.ErrAlias},
		{"a huge weight", alias("x", target("cats", 1, 1<<40)), store.ErrAlias},
		{"too many targets", alias("x", make([]store.Target, 65)...), store.ErrAlias},
	} {
		if _, err := s.PutAlias(c.a); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(s.Aliases())+len(reopen(t, s).Aliases()) > 0 {
		t.Error("an alias was stored")
	}
}

func TestAliasedVersionsStay(t *testing.T) {
	s := create(t)
	put(t, s, "cats", "a")
	if _, err := s.PutAlias(alias("live", store.Target{Model: "cats", Version: 1, Weight: 1})); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutAlias(alias("next", store.Target{Model: "cats", Weight: 1})); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"b", "c", "d", "e"} {
		put(t, s, "cats", label)
	}
	if got := versionsOf(t, s, "cats"); got != "1=a 4=d 5=e" {
		t.Errorf("versions %q", got)
	}
	for what, err := range map[string]error{
		"deleting the version":    s.DeleteVersion("cats", 1),
		"deleting the name":       s.DeleteVariant("cats"),
		"putting an alias's name": func() error { v, raw := labelled(t, "x"); _, _, err := s.PutVariant("live", v, raw); return err }(),
	} {
		if !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), "alias") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.DeleteVersion("cats", 5); err != nil { // an alias for the current version holds no version
		t.Error(err)
	}
	for _, a := range []string{"live", "next"} {
		if err := s.DeleteAlias(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteVariant("cats"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(emptyFiles(t), files(t, s)); diff != "" {
		t.Error(diff)
	}
}
