package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestUnknownNames checks what an error about a name that does not exist suggests.
func TestUnknownNames(t *testing.T) {
	eng := tinyEngine(t, Options{WeightCache: tinySlab})
	if _, _, err := eng.PutAlias(context.Background(), "production", []Target{{Model: "m1"}}); err != nil {
		t.Fatal(err)
	}
	model := func(name string) error { _, err := eng.Variant(name); return err }
	alias := func(name string) error { _, err := eng.Alias(name); return err }
	family := func(name string) error { _, err := eng.Family(name); return err }
	target := func(name string) error {
		_, _, err := eng.PutAlias(context.Background(), "live", []Target{{Model: name}})
		return err
	}
	for _, test := range []struct {
		of               func(string) error
		name, kind, want string
	}{
		{model, "m", "model", ""},
		{model, "m9", "model", "m0"},
		{model, "M3", "model", "m3"},
		{model, "m9:1", "model", "m0"},
		{model, "prodution", "model", "production"},
		{model, "prod", "model", "production"},
		{model, "elsewhere", "model", ""},
		{alias, "produktion", "alias", "production"},
		{alias, "m1", "alias", ""},
		{family, "tinny", "family", "tiny"},
		{family, "elsewhere", "family", ""},
		{target, "m9", "model", "m0"},
	} {
		var known *Error
		err := test.of(test.name)
		if !errors.As(err, &known) || known.Code != NotFound || known.Missing != test.kind || !strings.HasPrefix(known.Text, "no "+test.kind+` "`) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := known.Similar(nil); got != test.want {
			t.Errorf("%s: %q is suggested, want %q", test.name, got, test.want)
		}
		if got := known.Similar(func(string) bool { return false }); got != "" {
			t.Errorf("%s: %q is suggested to one who may see nothing", test.name, got)
		}
	}
}
