package main

import (
	"context"
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
	var listen serving.ListenFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve the embedded models from a temporary store",
		Long: `Demo serves 200 small Vision Transformers that are embedded in the program, each of
which reads one alphabet, and prints what to try. The store is temporary: models that
you add are removed when the demo ends.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			serving.IgnoreClosedLog()
			if cmd.Flags().Changed("addr") && !cmd.Flags().Changed("grpc-addr") {
				listen.GRPCAddr = "127.0.0.1:0" // so that several demos can run
			}
			if err := listen.Check(); err != nil {
				return err
			}
			if _, err := engine.Gate.Gate(); err != nil {
				return err
			}
			return m.runDemo(cmd.Context(), listen, engine.Options())
		},
	}
	engine.Add(cmd, demoWeightCache)
	listen.Add(cmd)
	grpc := cmd.Flags().Lookup("grpc-addr")
	listen.GRPCAddr, grpc.DefValue = demoGRPCAddr, demoGRPCAddr
	grpc.Usage = "`address` for the Open Inference Protocol over gRPC; a free port if --addr is given"
	cmd.Flags().BoolVar(&listen.AccessLog, "access-log", false, "log every request")
	return cmd
}

const (
	demoGRPCAddr    = "127.0.0.1:8081"
	demoWeightCache = 16 << 20 // a dozen slabs: the demo shows many models in little memory
)

func (m *Main) runDemo(ctx context.Context, listen serving.ListenFlags, o runtime.Options) error {
	dir, err := os.MkdirTemp("", "eigenserve-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := store.Create(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	family, err := zoo.Install(s)
	if err != nil {
		return err
	}
	if listen.Samples, err = zoo.Samples(); err != nil {
		return err
	}
	try, err := newTrial(s, listen.Samples, dir)
	if err != nil {
		return err
	}
	return serving.Program{
		Store: s, Listen: listen, Engine: o, Stdout: m.Stdout, Stderr: m.Stderr, Listening: m.Listening,
		Ready: func(url string, eng *runtime.Engine) { m.printTrial(url, family, try, eng) },
	}.Run(ctx)
}

// trial is what the printed lines try: a model, the path of an image for it, and the
// path of the model's variant file.
type trial struct{ name, image, file string }

// newTrial returns the first sample, whose image it writes to a file in dir.
func newTrial(s *store.Store, samples fs.FS, dir string) (trial, error) {
	images, err := fs.Glob(samples, "*/*.png")
	if err != nil || len(images) == 0 {
		return trial{}, fmt.Errorf("find a sample of the embedded family: %w", errors.Join(err, fs.ErrNotExist))
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

// printTrial prints a line for each thing to try.
func (m *Main) printTrial(base, family string, t trial, eng *runtime.Engine) {
	l := eng.Ledger()
	fmt.Fprintf(m.Stdout, "\n%d models of one family in %s; dense float32 copies would take %s.\n\n", l.Variants, cli.Size(l.Total-l.Overhead), cli.Size(l.Dense))
	fmt.Fprintf(m.Stdout, "  The page      %s/\n\n", base)
	for _, line := range [][2]string{
		{"List", fmt.Sprintf("curl -s '%s/v1/models?limit=3'", base)},
		{"One model", fmt.Sprintf("curl -s %s/v1/models/%s", base, t.name)},
		{"Classify", fmt.Sprintf("curl -s --data-binary @%s %s/v1/models/%s/classify", t.image, base, t.name)},
		{"Hot-add", fmt.Sprintf("curl -s -X PUT --data-binary @%s %s/v1/models/my-copy", t.file, base)},
		{"Use it", fmt.Sprintf("curl -s --data-binary @%s %s/v1/models/my-copy/classify", t.image, base)},
		{"Alias", fmt.Sprintf("curl -s -X PUT -d '{\"model\":\"my-copy\",\"version\":1}' %s/v1/aliases/current", base)},
		{"Protocol v2", fmt.Sprintf("curl -s -H 'Inference-Header-Content-Length: 0' --data-binary @%s %s/v2/models/current/infer", t.image, base)},
		{"Drop alias", fmt.Sprintf("curl -s -X DELETE %s/v1/aliases/current", base)},
		{"Remove", fmt.Sprintf("curl -s -X DELETE %s/v1/models/my-copy", base)},
		{"The family", fmt.Sprintf("curl -s %s/v1/families/%s", base, family)},
		{"Memory", fmt.Sprintf("curl -s %s/v1/memory", base)},
		{"All routes", fmt.Sprintf("curl -s %s/openapi.json", base)},
		{"Metrics", fmt.Sprintf("curl -s %s/metrics", base)},
	} {
		fmt.Fprintf(m.Stdout, "  %-12s  %s\n", line[0], line[1])
	}
	fmt.Fprint(m.Stdout, "\nPress Ctrl-C to stop.\n")
}
