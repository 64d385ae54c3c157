// Package measure times the parts of an inference and whole answers, next to what the
// machine itself can do in the same run. It puts no load on servers: see package load.
package measure

import (
	"context"
	"os"
	goruntime "runtime"
	"slices"
	"strings"

	"eigenserve/cmd/internal/catalogue"
	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
	"eigenserve/runtime/kernel"
	"eigenserve/store"
)

// Options say what to measure.
type Options struct {
	Store   string // folder of a store; "" for a temporary one
	Model   string // name in the store, or which models to put into the temporary one
	Only    string // parts to measure, separated by commas; "" for all
	Repeats int    // of each measurement; the median counts
}

// Parts are the parts of a benchmark, in order.
var Parts = []string{"matmul", "rebuild", "forward", "factored", "cold", "http"}

// Check returns an error of usage if the options make no sense.
func (b Options) Check() error {
	if b.Repeats < 1 {
		return cli.Usagef("--repeats must be positive")
	}
	for _, part := range strings.Split(b.Only, ",") {
		if b.Only != "" && !slices.Contains(Parts, part) {
			return cli.Usagef("--only %q: use %s", part, strings.Join(Parts, ", "))
		}
	}
	if b.Store != "" && b.Model == "" {
		return cli.Usagef("--store needs --model NAME")
	}
	return nil
}

// wants reports whether a part is to be measured.
func (b Options) wants(part string) bool {
	return b.Only == "" || slices.Contains(strings.Split(b.Only, ","), part)
}

// Run measures.
func (b Options) Run(ctx context.Context, p *cli.Progress) (*Report, error) {
	defer p.Finish()
	s, names, remove, err := b.open()
	if err != nil {
		return nil, err
	}
	defer remove()
	r := &Report{Floors: measureLimits()}
	r.Machine.ISA, r.Machine.Cores = kernel.ISA(), goruntime.GOMAXPROCS(0)
	if b.wants("matmul") {
		r.measureMatmul(b.Repeats)
	}
	for _, compute := range []runtime.Compute{runtime.ComputeF32, runtime.ComputeBF16} {
		if err := b.measureEngine(ctx, s, names, compute, r, p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// open returns a store and the names of the models in it to measure. remove removes a
// temporary store.
func (b Options) open() (s *store.Store, names []string, remove func(), err error) {
	if b.Store != "" {
		s, err = catalogue.OpenStore(b.Store)
		return s, []string{b.Model}, func() {}, err
	}
	dir, err := os.MkdirTemp("", "eigenserve-bench-")
	if err != nil {
		return nil, nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	if s, err = store.Create(dir); err == nil {
		err = synth.Install(s, b.Model)
	}
	if err != nil {
		remove()
		return nil, nil, nil, err
	}
	for _, e := range s.Variants() {
		if names = append(names, e.Name); len(names) == mixed {
			break
		}
	}
	return s, names, remove, nil
}

// mixed is the number of variants in a mixed batch, and of those rebuilt together.
const mixed = 8

// measureEngine measures everything that depends on the arithmetic of forward passes.
func (b Options) measureEngine(ctx context.Context, s *store.Store, names []string, compute runtime.Compute, r *Report, p *cli.Progress) error {
	eng, err := runtime.Open(s, runtime.Options{Compute: compute, WeightCache: 8 << 30})
	if err != nil {
		return err
	}
	defer eng.Close()
	meter, err := eng.NewMeter(names...)
	if err != nil {
		return err
	}
	m := modelBench{options: b, meter: meter, model: b.label(names[0]), dtype: string(compute), report: r}
	for i, part := range []struct {
		name string
		run  func() error
	}{
		{"rebuild", m.measureRebuild}, {"forward", m.measureForward}, {"factored", m.measureFactored},
		{"cold", func() error { return m.measureCold(ctx, s, names[0]) }},
		{"http", func() error { return m.measureHTTP(ctx, s, names[0]) }},
	} {
		if !b.wants(part.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part.run(); err != nil {
			return err
		}
		p.Update("measure "+m.dtype, i+1, len(Parts)-1)
	}
	r.Memory = eng.Ledger()
	return nil
}

// label returns the name of the model in the report.
func (b Options) label(name string) string {
	if b.Model == "" {
		return "zoo"
	}
	if b.Store == "" {
		return b.Model
	}
	return name
}
