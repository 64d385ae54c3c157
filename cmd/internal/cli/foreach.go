package cli

import (
	"context"
	"fmt"
	"io"
)

// ForEach calls do for each item. An error for which itemOnly reports true
// concerns that item alone: it is written to w and the next item is tried. Any
// other error, or the only item's, ends the loop. verb is the participle of what
// do does, such as "added".
func ForEach(ctx context.Context, w io.Writer, items []string, verb string, itemOnly func(error) bool, do func(i int, item string) error) error {
	failed := 0
	for i, item := range items {
		err := do(i, item)
		switch {
		case err == nil:
		case len(items) == 1 || ctx.Err() != nil || !itemOnly(err):
			return err
		default:
			failed++
			fmt.Fprintf(w, "eigenserve: %s\n", OneLine(err))
		}
	}
	switch failed {
	case 0:
		return nil
	case len(items):
		return fmt.Errorf("none of the %d could be %s", failed, verb)
	}
	return fmt.Errorf("%d of %d could not be %s; the others were %[3]s", failed, len(items), verb)
}
