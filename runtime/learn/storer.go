package learn

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"eigenserve/runtime/fault"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// storeVariants adds all checkpoints to the family that was just fitted. It adds several
// small models at a time; a large one uses all processors.
func storeVariants(ctx context.Context, s *store.Store, name string, checkpoints []*checkpoint.Checkpoint, o Options) error {
	a, err := NewAdder(s, name)
	if err != nil {
		return err
	}
	defer a.Close()
	n := concurrency(a.family.SlabBytes())
	st := variantStorer{adder: a, o: o, total: len(checkpoints), workers: parallel / n}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(n)
	for _, c := range checkpoints {
		group.Go(func() error { return st.add(ctx, c) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if st.refused == 0 {
		return nil
	}
	others := "the others are stored"
	if st.refused == st.total {
		others = "only the basis is stored"
	}
	return refused("%d of %d checkpoints were refused; %s. Raise --variant-budget, or add them with --allow-lossy or --exact", st.refused, st.total, others)
}

// concurrency returns how many checkpoints are added at once. Adding one takes a few times
// the memory of its weights.
func concurrency(slabBytes int64) int {
	const small = 256 << 20
	return int(max(1, min(int64(parallel), small/max(1, slabBytes))))
}

// variantStorer is the state that the goroutines of storeVariants share.
type variantStorer struct {
	adder   *Adder
	o       Options
	total   int
	workers int // forward passes at once, for each checkpoint

	mu            sync.Mutex // guards done and refused, and is held during calls of o's functions
	done, refused int
}

// add stores one checkpoint, unless an interrupted fit has stored it.
func (st *variantStorer) add(ctx context.Context, c *checkpoint.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	options := fmt.Sprintf("%+v", st.o.Gate)
	st.mu.Lock()
	e, stored := st.o.work.stored(st.adder.family.Basis.Digest, c, options)
	st.mu.Unlock()
	var err error
	if !stored {
		e, _, err = st.adder.add(ctx, c.Name, "", c, st.o.Gate, st.workers)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err == nil && !stored {
		err = st.o.work.noteStored(c, options)
	}
	if err := st.report(c.Name, e, err); err != nil {
		return err
	}
	st.done++
	st.o.Progress("store", st.done, st.total)
	return nil
}

// report calls the functions of the options with the outcome for one checkpoint. It
// returns errors that are not refusals, which end the fit. It is called with mu held.
func (st *variantStorer) report(name string, e store.Entry, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known) && known.Code == fault.Refused:
		st.refused++
		if st.o.OnRefused != nil {
			st.o.OnRefused(name, err)
		}
		return nil
	case err == nil && st.o.OnVariant != nil:
		st.o.OnVariant(e)
	}
	return err
}
