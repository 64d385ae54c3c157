package runtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"eigenserve/runtime/family"
	"eigenserve/runtime/fault"
	"eigenserve/runtime/internal/similar"
	"eigenserve/store"
)

// Alias is a name that stands for models. A request for it is answered by one of the
// targets, each as often as its weight says; the answer names it.
type Alias = store.Alias

// Target is one of an alias's models.
type Target = store.Target

// Aliases lists the aliases by name.
func (eng *Engine) Aliases() []Alias { return eng.catalogue.allAliases() }

// Alias returns an alias.
func (eng *Engine) Alias(name string) (Alias, error) {
	a, ok := eng.catalogue.alias(name)
	if ok {
		return a, nil
	}
	if _, err := eng.store.Alias(name); errors.Is(err, store.ErrDamaged) {
		return a, family.Coded(err)
	}
	return a, fault.NoSuch("alias", name, func(visible func(string) bool) string {
		var names []string
		for _, a := range eng.catalogue.allAliases() {
			names = append(names, a.Name)
		}
		return similar.Name(name, names, visible)
	})
}

// PutAlias makes an alias or moves it, in one write of the store and at once for all
// later requests. A single target needs no weight.
func (eng *Engine) PutAlias(ctx context.Context, name string, targets []Target) (a Alias, replaced bool, err error) {
	if err := eng.enter(); err != nil {
		return a, false, err
	}
	defer eng.leave()
	a = Alias{Name: name, Targets: slices.Clone(targets), Updated: time.Now().UTC().Truncate(time.Second)}
	if len(targets) == 1 && targets[0].Weight == 0 {
		a.Targets[0].Weight = 1
	}
	eng.change.Lock()
	defer eng.change.Unlock()
	if err := ctx.Err(); err != nil {
		return a, false, err
	}
	replaced, err = eng.store.PutAlias(a)
	if errors.Is(err, store.ErrNotFound) {
		for _, t := range targets {
			if len(eng.catalogue.of(t.Model)) == 0 {
				return a, false, eng.noModel(t.Model)
			}
		}
	}
	if err != nil {
		return a, false, family.CodedChange(err)
	}
	eng.catalogue.setAlias(a)
	return a, replaced, nil
}

// DeleteAlias removes an alias. Its targets stay.
func (eng *Engine) DeleteAlias(ctx context.Context, name string) error {
	if err := eng.enter(); err != nil {
		return err
	}
	defer eng.leave()
	eng.change.Lock()
	defer eng.change.Unlock()
	if _, err := eng.Alias(name); err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := eng.store.DeleteAlias(name); err != nil {
		return family.Coded(err)
	}
	eng.catalogue.removeAlias(name)
	return nil
}
