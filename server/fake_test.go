package server

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eigenserve/runtime"
	"eigenserve/store"
)

// fake is an Engine of a few variants. It has no models: Classify answers with
// the length of the image. A test may replace what it needs.
type fake struct {
	mu       sync.Mutex // guards the rest
	variants []runtime.VariantInfo
	counters runtime.Counters
	ledger   runtime.Ledger
	added    [][]byte // files and checkpoints that arrived
	uploads  []runtime.Upload
	err      error // if set, what every method that can fail gives
	aliases  map[string]runtime.Alias
	unloaded map[string]bool
	refused  string // a name that nothing may be added under
	asked    []runtime.Inputs
	infer    func(ctx context.Context) error // if set, what Infer gives

	classify func(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error)
}

var someTime = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func newFake() *fake {
	f := &fake{aliases: map[string]runtime.Alias{"current": {Name: "current", Targets: []runtime.Target{{Model: "sans-lao", Weight: 1}}, Updated: someTime}}, unloaded: map[string]bool{}}
	for _, name := range []string{"music-1", "sans-lao", "sans-takri"} {
		f.variants = append(f.variants, fakeVariant(name))
	}
	f.ledger = runtime.Ledger{
		Basis: 1_500_000, Coefficients: 400_000, Private: 600_000, Slabs: 12_000_000, Activations: 800_000,
		Catalogue: 100_000, Total: 15_400_000, SlabsUsed: 7, SlabsTotal: 10, CacheLimit: 13_000_000,
		RSS: 41_000_000, IdleRSS: 24_000_000, Variants: 3, Dense: 260_000_000, ModelRatio: 16.9, ProcessRatio: 6.3,
	}
	return f
}

func fakeVariant(name string) runtime.VariantInfo {
	return runtime.VariantInfo{
		Name: name, Version: 2, Versions: []int{1, 2}, Digest: "d1" + strings.Repeat("0", 62), Family: "glyphs", Basis: "b1" + strings.Repeat("0", 62),
		Bytes: 14_000, SourceBytes: 620_000, Classes: 3, Energy: 0.87, Step: 5.6, Added: someTime, Resident: "coefficients",
	}
}

func (f *fake) find(name string) (runtime.VariantInfo, error) {
	if f.err != nil {
		return runtime.VariantInfo{}, f.err
	}
	if a, ok := f.aliases[name]; ok {
		name = a.Targets[0].Model
	}
	name, version, numbered := strings.Cut(name, ":")
	for _, v := range f.variants {
		switch {
		case v.Name != name:
		case !numbered || version == "2":
			return v, nil
		case version == "1":
			v.Version = 1
			return v, nil
		default:
			return v, runtime.Errorf(runtime.NotFound, "model %q has no version %s", name, version)
		}
	}
	return runtime.VariantInfo{}, runtime.Errorf(runtime.NotFound, "no variant %q", name)
}

func (f *fake) Classify(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.classify != nil {
		classify := f.classify
		f.mu.Unlock()
		defer f.mu.Lock()
		return classify(ctx, name, image, o)
	}
	v, err := f.find(name)
	if err != nil {
		return runtime.Answer{}, err
	}
	f.counters.Requests++
	return runtime.Answer{
		Scores:  []runtime.Score{{Label: string(image), Score: 0.75}, {Label: "b", Score: 0.25}},
		Variant: v.Name, Digest: v.Digest, Basis: v.Basis,
		Timing: runtime.Timing{Queue: 10 * time.Microsecond, Rebuild: 1500 * time.Microsecond, Compute: 2 * time.Millisecond},
	}, nil
}

func (f *fake) Versions(name string) ([]runtime.VersionInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return []runtime.VersionInfo{{Version: 1, Digest: "d0", Bytes: 1, Added: someTime}, {Version: 2, Digest: v.Digest, Bytes: v.Bytes, Added: v.Added}}, nil
}

// Infer answers each input with two logits: 1 and 0.5 for an image, the first two
// values of pixels.
func (f *fake) Infer(ctx context.Context, name string, in runtime.Inputs) (runtime.Outputs, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(name)
	if err != nil {
		return runtime.Outputs{}, err
	}
	if f.unloaded[v.Name] {
		return runtime.Outputs{}, runtime.Errorf(runtime.Unloaded, "model %q was unloaded", v.Name)
	}
	f.asked = append(f.asked, in)
	if infer := f.infer; infer != nil {
		f.mu.Unlock()
		defer f.mu.Lock()
		return runtime.Outputs{}, infer(ctx)
	}
	out := runtime.Outputs{Labels: []string{"yes", "no:b"}, Variant: v.Name, Version: v.Version, Digest: v.Digest, Basis: v.Basis,
		Timing: runtime.Timing{Compute: time.Millisecond}}
	for range in.Images {
		out.Logits = append(out.Logits, 1, 0.5)
	}
	size := in.Shape[0] * in.Shape[1] * in.Shape[2]
	for at := 0; size > 1 && at < len(in.Pixels); at += size {
		out.Logits = append(out.Logits, in.Pixels[at], in.Pixels[at+1])
	}
	if out.Rows = len(out.Logits) / 2; out.Rows == 0 {
		return out, runtime.Errorf(runtime.Invalid, "the request has no rows")
	}
	return out, nil
}

func (f *fake) Ready(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(name)
	if err == nil && f.unloaded[v.Name] {
		return runtime.Errorf(runtime.Unloaded, "model %q was unloaded", v.Name)
	}
	return err
}

func (f *fake) Stats(name string) ([]runtime.VersionStats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == "" {
		name = f.variants[0].Name
	}
	v, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return []runtime.VersionStats{{Name: v.Name, Version: v.Version, Last: someTime, Rows: 5, Runs: 2, Batches: []runtime.BatchStats{{Size: 4, Compute: runtime.Total{Count: 2, Took: 3000}}},
		Success: runtime.Total{Count: 2, Took: time.Microsecond}, Memory: 1234}}, nil
}

func (f *fake) Load(name string) error   { return f.setUnloaded(name, false) }
func (f *fake) Unload(name string) error { return f.setUnloaded(name, true) }

func (f *fake) setUnloaded(name string, unloaded bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	f.unloaded[name] = unloaded
	for i := range f.variants {
		if f.variants[i].Name == name {
			f.variants[i].Unloaded = unloaded
		}
	}
	return nil
}

func (f *fake) Aliases() []runtime.Alias {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []runtime.Alias
	for _, a := range f.aliases {
		out = append(out, a)
	}
	return out
}

func (f *fake) Alias(name string) (runtime.Alias, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.aliases[name]
	if f.err != nil {
		return a, f.err
	}
	if !ok {
		return a, runtime.Errorf(runtime.NotFound, "no alias %q", name)
	}
	return a, nil
}

func (f *fake) PutAlias(ctx context.Context, name string, targets []runtime.Target) (runtime.Alias, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range targets {
		if _, err := f.find(t.Model); err != nil {
			return runtime.Alias{}, false, err
		}
	}
	_, replaced := f.aliases[name]
	f.aliases[name] = runtime.Alias{Name: name, Targets: targets, Updated: someTime}
	return f.aliases[name], replaced, nil
}

func (f *fake) DeleteAlias(ctx context.Context, name string) error {
	if _, err := f.Alias(name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.aliases, name)
	return nil
}

func (f *fake) Variants(after string, limit int) (list []runtime.VariantInfo, next string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range f.variants {
		if v.Name <= after {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].Name
		}
		list = append(list, v)
	}
	return list, ""
}

// Find knows the orders by name, and by requests.
func (f *fake) Find(q runtime.Query) (runtime.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return runtime.Found{}, f.err
	}
	list := []runtime.VariantInfo{}
	for _, v := range f.variants {
		if strings.Contains(v.Name, strings.TrimSpace(q.Words)) && (q.Allow == nil || q.Allow(v.Name)) {
			list = append(list, v)
		}
	}
	if q.Order == "requests" {
		slices.SortStableFunc(list, func(a, b runtime.VariantInfo) int { return cmp.Compare(b.Requests, a.Requests) })
	}
	out := runtime.Found{Total: len(list), Offset: min(q.Offset, len(list))}
	if i := slices.IndexFunc(list, func(v runtime.VariantInfo) bool { return v.Name == q.From }); i >= 0 {
		out.Offset = i
	}
	list = list[out.Offset:]
	out.Variants = list[:min(q.Limit, len(list))]
	return out, nil
}

func (f *fake) Variant(name string) (runtime.VariantDetail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(name)
	return runtime.VariantDetail{
		VariantInfo: v,
		Labels:      []string{"ກ", "ຂ", "<b>&"},
		Fidelity:    store.Fidelity{Step: v.Step, Energy: v.Energy},
		Provenance:  store.Provenance{Name: name, Added: someTime},
		Input:       runtime.Input{Channels: 3, Height: 32, Width: 32},
	}, err
}

func (f *fake) PutVariant(ctx context.Context, name string, file []byte) (runtime.VariantInfo, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return runtime.VariantInfo{}, false, f.err
	}
	if name == f.refused {
		return runtime.VariantInfo{}, false, runtime.Errorf(runtime.Refused, "%s is refused", name)
	}
	f.added = append(f.added, file)
	if v, err := f.find(name); err == nil {
		return v, true, nil
	}
	f.variants = append(f.variants, fakeVariant(name))
	return fakeVariant(name), false, nil
}

func (f *fake) AddCheckpoint(ctx context.Context, family, name string, u runtime.Upload) (runtime.VariantInfo, bool, error) {
	f.mu.Lock()
	f.uploads = append(f.uploads, u)
	f.mu.Unlock()
	return f.PutVariant(ctx, name, u.Model)
}

func (f *fake) DeleteVariant(ctx context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	kept := f.variants[:0:0]
	for _, v := range f.variants {
		if v.Name != name {
			kept = append(kept, v)
		}
	}
	f.variants = kept
	return nil
}

func (f *fake) SetPinned(ctx context.Context, name string, pinned bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	for i := range f.variants {
		if f.variants[i].Name == name {
			f.variants[i].Pinned = pinned
		}
	}
	return nil
}

var fakeSpectrum = runtime.SpectrumInfo{At: []int{1, 2, 4, 8, 64}, Left: []float64{.7, .5, .3, .1, 0}, Right: []float64{.6, .4, .3, .1, 0}}

func (f *fake) Families() []runtime.FamilyInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []runtime.FamilyInfo{f.family()}
}

func (f *fake) family() runtime.FamilyInfo {
	return runtime.FamilyInfo{
		Name: "glyphs", Basis: "b1" + strings.Repeat("0", 62), Bytes: 1_400_000, Resident: 1_500_000, Rank: 256,
		Fitted: 200, Variants: len(f.variants), Parameters: 320_000, DenseBytes: 1_280_000, SlabBytes: 1_300_000,
		Input: runtime.Input{Channels: 3, Height: 32, Width: 32},
	}
}

func (f *fake) Family(name string) (runtime.FamilyDetail, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return runtime.FamilyDetail{}, f.err
	}
	if name != "glyphs" {
		return runtime.FamilyDetail{}, runtime.Errorf(runtime.NotFound, "no family %q", name)
	}
	return runtime.FamilyDetail{FamilyInfo: f.family(), Config: []byte(`{"hidden_size":64}`), Layers: []runtime.LayerInfo{
		{Name: "vit.encoder.layer.0.output.dense", Outputs: 64, Inputs: 256, Left: 64, Right: 64, Energy90: 9, Spectrum: fakeSpectrum},
		{Name: "vit.encoder.layer.1.output.dense", Outputs: 64, Inputs: 256, Left: 64, Right: 64, Energy90: 12, Spectrum: fakeSpectrum},
	}}, nil
}

func (f *fake) Ledger() runtime.Ledger {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ledger
}

func (f *fake) Counters() runtime.Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counters
}

// arrived is how many files and checkpoints reached the engine.
func (f *fake) arrived() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.added)
}

// running is a server that listens on a port of its own.
type running struct {
	*Server
	url, addr string
	log       *logBuffer
	served    chan error // what Listen returned
}

// start runs a server until the test ends.
func start(t *testing.T, engine Engine, o Options) *running {
	t.Helper()
	log := &logBuffer{}
	r := startLogging(t, engine, o, slog.New(slog.NewTextHandler(log, nil)))
	r.log = log
	return r
}

// startLogging is start with a log of the test's own.
func startLogging(t *testing.T, engine Engine, o Options, log *slog.Logger) *running {
	t.Helper()
	o.Log = log
	s, err := New(engine, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Server: s, addr: l.Addr().String(), url: "http://" + l.Addr().String(), log: &logBuffer{}, served: make(chan error, 1)}
	go func() { r.served <- s.Listen(l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	return r
}

// reply is a response read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request with headers given as pairs.
func (r *running) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return finish(t, req)
}

func finish(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
