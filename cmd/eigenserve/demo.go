package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/cmd/internal/serving"
	"eigenserve/runtime"
	"eigenserve/store"
	"eigenserve/store/zoo"
)

func (m *Main) demo() *cobra.Command {
	var engine serving.EngineFlags
	var f serving.ListenFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve the embedded models from a temporary store",
		Long: `Demo serves 200 small Vision Transformers that come with the program, each of
which reads one alphabet, and prints what to try. The store is temporary: what
you add is gone when the demo ends.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if addr := cmd.Flags(); addr.Changed("addr") && !addr.Changed("grpc-addr") {
				f.GRPCAddr = "127.0.0.1:0" // a second demo beside the first
			}
			if err := f.Check(); err != nil {
				return err
			}
			if _, err := engine.Gate.Gate(); err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "eigenserve-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			return m.runDemo(cmd, dir, f, engine.Options())
		},
	}
	engine.Add(cmd, 16<<20) // a dozen slabs, so that the account stays that of many models in little memory
	f.Add(cmd)
	calls := cmd.Flags().Lookup("grpc-addr")
	f.GRPCAddr, calls.DefValue = "127.0.0.1:8081", "127.0.0.1:8081"
	calls.Usage = "`address` of the Open Inference Protocol over gRPC (with an --addr a free port)"
	cmd.Flags().BoolVar(&f.AccessLog, "access-log", false, "log each request")
	return cmd
}

func (m *Main) runDemo(cmd *cobra.Command, dir string, f serving.ListenFlags, o runtime.Options) error {
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	family, err := zoo.Install(s)
	if err != nil {
		return err
	}
	if f.Samples, err = zoo.Samples(); err != nil {
		return err
	}
	try, err := pickTrial(s, f.Samples, dir)
	if err != nil {
		return err
	}
	return m.server().Serve(cmd.Context(), s, f, o, func(url string, eng *runtime.Engine) { m.invite(url, family, try, eng) })
}

// trial is what the demo's lines try: a variant, an image for it, and the
// variant's own file, as somebody else would have it.
type trial struct{ name, image, file string }

// pickTrial takes the first sample and lays it beside the store, where curl
// finds it.
func pickTrial(s *store.Store, samples fs.FS, dir string) (trial, error) {
	images, err := fs.Glob(samples, "*/*.png")
	if err != nil || len(images) == 0 {
		return trial{}, fmt.Errorf("the embedded family has no samples: %w", errors.Join(err, fs.ErrNotExist))
	}
	t := trial{name: path.Dir(images[0]), image: filepath.Join(dir, "sample.png")}
	raw, err := fs.ReadFile(samples, images[0])
	if err != nil {
		return trial{}, err
	}
	if err := os.WriteFile(t.image, raw, 0o644); err != nil {
		return trial{}, err
	}
	e, err := s.Entry(t.name)
	if err != nil {
		return trial{}, err
	}
	t.file = filepath.Join(s.Dir(), "blobs", e.Digest+".safetensors")
	return t, nil
}

// invite prints one line for each thing to try.
func (m *Main) invite(base, family string, t trial, eng *runtime.Engine) {
	l := eng.Ledger()
	fmt.Fprintf(m.Stdout, "\n%d models of one family in %s; dense float32 copies would take %s.\n\n", l.Variants, cli.Size(l.Total-l.Overhead), cli.Size(l.Dense))
	fmt.Fprintf(m.Stdout, "  The page      %s/\n\n", base)
	for _, line := range [][2]string{
		{"List", fmt.Sprintf("curl -s '%s/v1/models?limit=3'", base)},
		{"One model", fmt.Sprintf("curl -s %s/v1/models/%s", base, t.name)},
		{"Classify", fmt.Sprintf("curl -s --data-binary @%s %s/v1/models/%s/classify", t.image, base, t.name)},
		{"Hot-add", fmt.Sprintf("curl -s -X PUT --data-binary @%s %s/v1/models/my-copy", t.file, base)},
		{"Ask it", fmt.Sprintf("curl -s --data-binary @%s %s/v1/models/my-copy/classify", t.image, base)},
		{"Alias", fmt.Sprintf("curl -s -X PUT -d '{\"model\":\"my-copy\",\"version\":1}' %s/v1/aliases/current", base)},
		{"Protocol v2", fmt.Sprintf("curl -s -H 'Inference-Header-Content-Length: 0' --data-binary @%s %s/v2/models/current/infer", t.image, base)},
		{"No alias", fmt.Sprintf("curl -s -X DELETE %s/v1/aliases/current", base)},
		{"Remove it", fmt.Sprintf("curl -s -X DELETE %s/v1/models/my-copy", base)},
		{"The family", fmt.Sprintf("curl -s %s/v1/families/%s", base, family)},
		{"Memory", fmt.Sprintf("curl -s %s/v1/memory", base)},
		{"All routes", fmt.Sprintf("curl -s %s/openapi.json", base)},
		{"Metrics", fmt.Sprintf("curl -s %s/metrics", base)},
	} {
		fmt.Fprintf(m.Stdout, "  %-12s  %s\n", line[0], line[1])
	}
	fmt.Fprint(m.Stdout, "\nCtrl-C ends it.\n")
}
