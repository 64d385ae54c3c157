package cli

import (
	"context"
	"fmt"
	"io"
)

// ForEach does something to each of several things. One that fails for a reason of
// its own is told of and keeps none of the others back; done is what they are then.
func ForEach(ctx context.Context, w io.Writer, things []string, done string, isOfOne func(error) bool, do func(i int, thing string) error) error {
	failed := 0
	for i, thing := range things {
		err := do(i, thing)
		switch {
		case err == nil:
		case len(things) == 1 || ctx.Err() != nil || !isOfOne(err):
			return err
		default:
			failed++
			fmt.Fprintf(w, "eigenserve: %s\n", OneLine(err))
		}
	}
	switch failed {
	case 0:
		return nil
	case len(things):
		return fmt.Errorf("none of the %d could be %s", failed, done)
	}
	return fmt.Errorf("%d of %d could not be %s; all others are", failed, len(things), done)
}
