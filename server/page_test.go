package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/web"
)

// hostile is a label that a variant file may contain.
const hostile = `<img src=x onerror="window.harmed=1">`

// recorder records the requests of a page, and answers with a hostile label.
type recorder struct {
	mu    sync.Mutex // guards the rest
	names []string
	image []byte
}

func (a *recorder) classify(_ context.Context, name string, image []byte, _ runtime.ClassifyOptions) (runtime.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = append(a.names, name)
	a.image = image
	v := servertest.Variant(name)
	return runtime.Answer{
		Scores:  []runtime.Score{{Label: hostile, Score: 0.75}, {Label: "ກ", Score: 0.25}},
		Variant: name, Digest: v.Digest, Basis: v.Basis,
	}, nil
}

// different returns the number of all calls, and of different names since call from.
func (a *recorder) different(from int) (calls, names int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := map[string]bool{}
	for _, name := range a.names[from:] {
		set[name] = true
	}
	return len(a.names), len(set)
}

func (a *recorder) last() (name string, image []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.names) == 0 {
		return "", nil
	}
	return a.names[len(a.names)-1], a.image
}

func samplePNG(t *testing.T) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 32, 32))
	m.Set(16, 16, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// visit opens the page of a server without models.
func visit(t *testing.T) (*running, *servertest.Engine, *recorder, *browser) {
	t.Helper()
	f, a := servertest.NewEngine(), &recorder{}
	f.OnClassify = a.classify
	s := start(t, f, server.Options{Samples: fstest.MapFS{"music-1/ກ.png": {Data: samplePNG(t)}}})
	b := openBrowser(t, s.URL)
	b.until(t, `document.querySelectorAll(".row").length === 3 && document.querySelector("#chosen h2")?.textContent === "music-1"`)
	return s, f, a, b
}

const answered = `document.querySelectorAll("#answer .score").length === 2`

func TestPageAnswersADrawing(t *testing.T) {
	s, _, a, b := visit(t)
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.1}, {0.5, 0.1}}, [][2]float64{{0.3, 0.1}, {0.3, 0.3}, {0.3, 0.5}})
	b.until(t, answered)
	if got := eval[string](t, b, `document.querySelector("#answer .score .label").firstChild.data`); got != hostile {
		t.Errorf("label: %q", got)
	}
	if eval[bool](t, b, `window.harmed === 1 || !!document.querySelector("#answer img[src=x]")`) {
		t.Error("a label became markup")
	}
	if got := eval[string](t, b, `document.querySelector("#answer .made").textContent`); !strings.Contains(got, "music-1@d100") || !strings.Contains(got, "basis b100") {
		t.Errorf("provenance: %q", got)
	}
	name, sent := a.last()
	if name != "music-1" {
		t.Errorf("asked %q", name)
	}
	checkDrawing(t, sent)

	b.click(t, "#clear")
	b.until(t, `document.querySelector("#answer .idle")`)
	b.checkClean(t, s.Addr)
}

// checkDrawing checks that a drawing is sent as the models expect it: opaque, dark on light,
// with the glyph in the middle, spanning about half of the image.
func checkDrawing(t *testing.T, sent []byte) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	side := m.Bounds().Dx()
	if m.Bounds().Dy() != side || side%32 != 0 {
		t.Errorf("size %v", m.Bounds())
	}
	dark := image.Rectangle{}
	for y := range side {
		for x := range side {
			g := color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y
			if g < 128 {
				dark = dark.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	middle := dark.Min.Add(dark.Max).Div(2)
	if dx, dy := middle.X-side/2, middle.Y-side/2; dx*dx+dy*dy > side {
		t.Errorf("the glyph lies at %v of %d", dark, side)
	}
	if span := float64(max(dark.Dx(), dark.Dy())) / float64(side); span < 0.5 || span > 0.7 {
		t.Errorf("the glyph spans %.2f", span)
	}
}

func TestPageAnswersImages(t *testing.T) {
	s, _, a, b := visit(t)
	b.until(t, `document.querySelector("#samples button")`)
	b.click(t, "#samples button")
	b.until(t, answered)
	if _, sent := a.last(); !bytes.Equal(sent, samplePNG(t)) {
		t.Error("the sample was not sent unchanged")
	}
	if !eval[bool](t, b, `!!document.querySelector('#answer img[src="/samples/music-1/%E0%BA%81.png"]')`) {
		t.Error("the second label has no sample image")
	}

	file := filepath.Join(t.TempDir(), "mine.png")
	mine := append(samplePNG(t), "more"...)
	if err := os.WriteFile(file, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.SetUploadFiles("#file", []string{file}))
	b.until(t, answered+` && !document.querySelector("#clear").disabled`)
	b.click(t, "#ask")
	b.until(t, answered)
	if _, sent := a.last(); !bytes.Equal(sent, mine) {
		t.Error("the file was not sent unchanged")
	}

	b.click(t, "#ask-all")
	b.until(t, `document.querySelectorAll("#answer .match").length === 3`)
	b.click(t, "#answer li:nth-child(3) .match")
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "sans-takri"`)
	b.checkClean(t, s.Addr)
}

// There are more variants than a page of the list has.
func TestPageAsksAll(t *testing.T) {
	s, f, a, b := visit(t)
	f.Lock()
	for i := range 1200 {
		f.Models = append(f.Models, servertest.Variant(fmt.Sprintf("v%05d", i)))
	}
	f.Unlock()
	b.until(t, `document.getElementById("count").textContent === "1,203"`)
	b.click(t, "#samples button")
	b.until(t, answered)
	before, _ := a.different(0)
	b.click(t, "#ask-all")
	b.until(t, `document.querySelector("#answer .soft")?.textContent.startsWith("1,203 of 1,203") && document.getElementById("said").textContent === "1,203 variants answered"`)
	if calls, names := a.different(before); calls-before != 1203 || names != 1203 {
		t.Errorf("%d of them were asked, in %d calls", names, calls-before)
	}
	b.checkClean(t, s.Addr)
}

func TestPageShowsFaults(t *testing.T) {
	_, f, _, b := visit(t)
	f.Lock()
	f.OnClassify, f.Err = nil, runtime.Errorf(runtime.Busy, "every slab is leased")
	f.Unlock()
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.3}})
	b.until(t, `document.querySelector("#answer [role=alert]")?.textContent === "every slab is leased"`)
}

func TestPageIsLive(t *testing.T) {
	s, f, _, b := visit(t)
	b.until(t, `document.getElementById("model-ratio").textContent === "16.9×" && document.getElementById("pulse").classList.contains("live")`)
	b.until(t, `document.querySelector("#legend")?.textContent.includes("12.0 MB") && document.querySelector(".chart path.rss")?.getAttribute("d")`)
	f.Lock()
	f.Memory.ModelRatio, f.Memory.Slabs = 186.4, 13_000_000
	f.Models[1].Requests, f.Models[1].Resident = 4321, "slab"
	f.Models[1].Answers, f.Models[1].Rate, f.Models[1].Latency = 4000, 12.34, 0.0056
	f.Models[1].Agreement, f.Models[1].Lossy = 0.912, true
	f.Unlock()
	b.until(t, `document.getElementById("model-ratio").textContent === "186×" && document.querySelector("#legend")?.textContent.includes("13.0 MB")`)
	b.until(t, `document.querySelector(".row:nth-child(2) .requests")?.textContent === "4,321" && document.querySelector(".row:nth-child(2) .res.slab")`)
	b.until(t, `document.querySelector(".row:nth-child(2) .fidelity.lossy")?.textContent === "91.2%" && document.querySelector(".row:nth-child(1) .fidelity")?.textContent === "87.0%"`)
	b.until(t, `document.querySelector(".row:nth-child(2) .rate")?.textContent === "12.3" && document.querySelector(".row:nth-child(2) .latency")?.textContent === "5.60 ms"`)
	b.until(t, `document.querySelector(".row:nth-child(1) .rate")?.textContent === "–"`)
	b.checkClean(t, s.Addr)
}

// press is a key press where the focus is.
const press = `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true})) || true`

func TestPageListsVariants(t *testing.T) {
	s, f, _, b := visit(t)
	names := `[...document.querySelectorAll(".row .name")].map((n) => n.firstChild.textContent).join()`
	eval[bool](t, b, fmt.Sprintf(press, "/"))
	b.until(t, `document.activeElement.id === "search"`)
	b.do(t, chromedp.SendKeys("#search", "takri"))
	b.until(t, names+` === "sans-takri"`)
	eval[bool](t, b, `(document.getElementById("search").value = "", document.getElementById("search").dispatchEvent(new Event("input")))`)
	b.until(t, names+` === "music-1,sans-lao,sans-takri"`)
	b.do(t, chromedp.Focus("#rows"))
	for _, step := range []struct{ key, want string }{{"ArrowDown", "sans-lao"}, {"End", "sans-takri"}, {"ArrowDown", "sans-takri"}, {"Home", "music-1"}} {
		eval[bool](t, b, fmt.Sprintf(press, step.key))
		b.until(t, fmt.Sprintf(`document.querySelector("#chosen h2").textContent === %q && document.querySelector('.row[aria-selected="true"]').title === %[1]q`, step.want))
	}
	b.do(t, chromedp.SetValue("#order", "requests"))
	f.Lock()
	f.Models[1].Requests = 9
	f.Unlock()
	eval[bool](t, b, `document.getElementById("order").dispatchEvent(new Event("change"))`)
	b.until(t, names+` === "sans-lao,music-1,sans-takri"`)
	if got := eval[string](t, b, `document.querySelector(".labels").textContent`); got != "ກຂ<b>&" {
		t.Errorf("labels: %q", got)
	}
	b.checkClean(t, s.Addr)
}

// Of a long list the page has only the visible rows.
func TestPageListsAHundredThousand(t *testing.T) {
	f := servertest.NewEngine()
	f.Models = nil
	for i := range 100_000 {
		f.Models = append(f.Models, servertest.Variant(fmt.Sprintf("v%05d", i)))
	}
	s := start(t, f, server.Options{})
	b := openBrowser(t, s.URL+"/#v70123")
	b.until(t, `document.getElementById("count").textContent === "100,000" && document.querySelector("#chosen h2")?.textContent === "v70123" && document.querySelector('.row[aria-selected="true"]')?.title === "v70123"`)
	few := func() {
		t.Helper()
		if got := eval[int](t, b, `document.querySelectorAll(".row").length`); got == 0 || got > 100 {
			t.Errorf("%d rows at once", got)
		}
	}
	few()
	b.do(t, chromedp.Focus("#rows"))
	eval[bool](t, b, fmt.Sprintf(press, "End"))
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "v99999" && document.querySelector('.row[aria-selected="true"]')?.getAttribute("aria-posinset") === "100000"`)
	few()
	eval[bool](t, b, fmt.Sprintf(press, "PageUp"))
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "v99989"`)
	eval[bool](t, b, `(document.getElementById("rows").scrollTop = 50000 * 37) > 0`)
	b.until(t, `[...document.querySelectorAll(".row")].some((r) => r.title === "v50000")`)
	few()
	b.do(t, chromedp.SendKeys("#search", "v5999"))
	b.until(t, `document.querySelectorAll(".row").length === 10 && document.getElementById("count").textContent === "10 of 100,000"`)
	b.checkClean(t, s.Addr)
}

func TestPageChangesVariants(t *testing.T) {
	s, f, _, b := visit(t)
	file := filepath.Join(t.TempDir(), "my new.safetensors")
	if err := os.WriteFile(file, []byte("coefficients"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.click(t, "#add")
	b.do(t, chromedp.SetUploadFiles("#add-files", []string{file}))
	b.until(t, `document.getElementById("add-name").value === "my-new"`)
	b.click(t, "#add-form .primary")
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "my-new" && !document.querySelector("dialog[open]")`)

	eval[bool](t, b, `(() => { const data = new DataTransfer(); data.items.add(new File(["dropped"], "dropped.safetensors"));
		for (const kind of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
		return true; })()`)
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "dropped" && document.querySelectorAll(".row").length === 5`)
	f.Lock()
	if got := fmt.Sprintf("%s", f.Added); got != "[coefficients dropped]" {
		t.Errorf("the engine was given %s", got)
	}
	f.Unlock()

	b.click(t, "#chosen [aria-pressed]")
	b.until(t, `document.querySelector("#chosen [aria-pressed=true]") && document.querySelector('.row[aria-selected="true"] .pin').textContent`)
	b.click(t, "#chosen [aria-pressed]")
	b.until(t, `document.querySelector("#chosen [aria-pressed=false]")`)
	b.click(t, "#chosen .preload")
	b.until(t, `document.getElementById("toasts").textContent.includes("dropped is in the weight cache")`)
	b.click(t, "#chosen .acts button:last-child")
	b.until(t, `document.querySelector("#remove-dialog[open]")`)
	b.click(t, "#remove-dialog .danger")
	b.until(t, `document.querySelectorAll(".row").length === 4 && document.querySelector("#chosen h2")?.textContent === "my-new" && document.activeElement.id === "rows"`)
	b.checkClean(t, s.Addr)
}

// The chosen variant is pinned by keyboard while a search hides its row.
func TestPagePinsHiddenVariant(t *testing.T) {
	s, f, _, b := visit(t)
	b.do(t, chromedp.SendKeys("#search", "takri"))
	b.until(t, `document.querySelectorAll(".row").length === 1`)
	for _, pinned := range []bool{true, false} {
		b.do(t, chromedp.Focus("#chosen [aria-pressed]"), chromedp.KeyEvent(kb.Enter))
		b.until(t, fmt.Sprintf(`document.querySelector("#chosen h2").textContent === "music-1" && document.querySelector("#chosen [aria-pressed=%t]")`, pinned))
		if got := f.Pinned("music-1"); got != pinned {
			t.Errorf("the page says %t, the engine %t", pinned, got)
		}
		if !eval[bool](t, b, `document.activeElement.matches("#chosen [aria-pressed]")`) {
			t.Error("the focus left the button")
		}
	}
	b.checkClean(t, s.Addr)
}

// A slow upload is canceled; the next one is independent of it.
func TestPageCancelsUpload(t *testing.T) {
	s, f, _, b := visit(t)
	dir := t.TempDir()
	large, small := filepath.Join(dir, "large.safetensors"), filepath.Join(dir, "small.safetensors")
	if err := errors.Join(os.WriteFile(large, make([]byte, 8<<20), 0o600), os.WriteFile(small, []byte("small"), 0o600)); err != nil {
		t.Fatal(err)
	}
	b.throttle(t, 10_000)
	b.click(t, "#add")
	b.do(t, chromedp.SetUploadFiles("#add-files", []string{large}))
	b.until(t, `document.getElementById("add-name").value === "large"`)
	b.click(t, "#add-form .primary")
	b.until(t, `!document.getElementById("add-progress").hidden`)
	b.click(t, "#add-cancel")
	b.until(t, `document.getElementById("toasts").textContent === "Upload stopped" && !document.querySelector("dialog[open]")`)
	b.throttle(t, -1)
	b.click(t, "#add")
	b.do(t, chromedp.SetUploadFiles("#add-files", []string{small}))
	b.until(t, `document.getElementById("add-name").value === "small"`)
	b.click(t, "#add-form .primary")
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "small" && !document.querySelector("dialog[open]")`)
	if n := f.Arrived(); n != 1 {
		t.Errorf("%d files arrived", n)
	}
	b.checkClean(t, s.Addr)
}

// The answer of one variant is not shown for another.
func TestPageClearsAnAnswer(t *testing.T) {
	s, _, a, b := visit(t)
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.3}})
	b.until(t, answered)
	b.click(t, "#auto")
	b.click(t, ".row:nth-child(2)")
	b.until(t, `document.querySelector("#chosen h2").textContent === "sans-lao" && document.querySelector("#answer .idle") && !document.querySelector("#answer .score")`)
	b.click(t, "#ask")
	b.until(t, answered)
	if name, _ := a.last(); name != "sans-lao" {
		t.Errorf("asked %q", name)
	}
	b.draw(t, [][2]float64{{0.5, 0.1}, {0.5, 0.3}})
	b.until(t, `document.querySelector("#answer .idle")`)
	b.checkClean(t, s.Addr)
}

// After asking all variants and then one of them, the page can go back to the ranking.
func TestPageKeepsTheRanking(t *testing.T) {
	s, _, _, b := visit(t)
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.3}})
	b.until(t, answered)
	b.click(t, "#ask-all")
	const ranked = `document.querySelectorAll("#answer .match").length === 3`
	b.until(t, ranked+` && !document.getElementById("ask-all").textContent.includes("Stop")`)
	b.click(t, "#answer li:nth-child(2) .match")
	b.until(t, ranked+` && document.getElementById("ask-name").textContent === "sans-lao" && !document.getElementById("ask").disabled`)
	b.click(t, "#ask")
	b.until(t, answered)
	b.click(t, "#answer .back")
	b.until(t, ranked)
	b.click(t, "#clear")
	b.until(t, `document.querySelector("#answer .idle") && !document.querySelector("#answer .back")`)
	b.checkClean(t, s.Addr)
}

// When asking all variants is stopped, the answers so far stay.
func TestPageStopsAsking(t *testing.T) {
	s, f, a, b := visit(t)
	b.click(t, "#auto")
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.3}})
	f.Lock()
	f.OnClassify = func(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error) {
		if name != "sans-lao" {
			<-ctx.Done()
		}
		return a.classify(ctx, name, image, o)
	}
	f.Unlock()
	b.click(t, "#ask-all")
	b.until(t, `(window.kept = document.querySelector("#answer .match")) && document.getElementById("ask-all").textContent === "Stop"`)
	b.click(t, "#ask-all")
	b.until(t, `document.querySelector("#answer .soft").textContent.startsWith("Stopped: 1 of 3") && document.querySelector("#answer progress").hidden && window.kept.isConnected`)
	b.checkClean(t, s.Addr)
}

// A large image is sent unchanged to one variant, and scaled down to all.
func TestPageScalesImageForAll(t *testing.T) {
	s, _, a, b := visit(t)
	var large bytes.Buffer
	if err := png.Encode(&large, image.NewGray(image.Rect(0, 0, 2048, 512))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "large.png")
	if err := os.WriteFile(file, large.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.SetUploadFiles("#file", []string{file}))
	b.until(t, answered)
	if _, sent := a.last(); !bytes.Equal(sent, large.Bytes()) {
		t.Error("the file was not sent unchanged")
	}
	b.click(t, "#ask-all")
	b.until(t, `document.querySelectorAll("#answer .match").length === 3 && document.getElementById("answer").textContent.includes("1024 × 256")`)
	_, sent := a.last()
	if m, err := png.DecodeConfig(bytes.NewReader(sent)); err != nil || m.Width != 1024 || m.Height != 256 {
		t.Errorf("sent %v, %v", m, err)
	}
	b.checkClean(t, s.Addr)
}

// The server ends while the page is open.
func TestPageShowsAnOutage(t *testing.T) {
	s, _, _, b := visit(t)
	b.until(t, `document.getElementById("pulse").classList.contains("live") && document.getElementById("outage").hidden`)
	ctx, stop := context.WithTimeout(b.ctx, 5*time.Second)
	defer stop()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	const silence = "The server does not answer; trying again"
	b.until(t, fmt.Sprintf(`!document.getElementById("outage").hidden && document.getElementById("outage").textContent.includes(%q) && document.getElementById("outage-age").textContent.includes(" s old")`, silence))
	b.do(t, chromedp.SendKeys("#search", "takri"))
	b.until(t, fmt.Sprintf(`!document.querySelector(".row") && document.getElementById("empty").textContent === %q`, silence))
	for range 2 {
		b.click(t, "#families")
	}
	b.until(t, fmt.Sprintf(`document.querySelectorAll(".toast").length === 1 && document.querySelector(".toast").textContent === %q`, silence))
}

// dropFolder drops folders of files, like a file manager: {"folder": ["file", …]}.
const dropFolder = `((folders) => {
	const file = (name) => ({isFile: true, name, file: (yes) => yes(new File(["x"], name))});
	const folder = ([name, files]) => { let read = false; return {isDirectory: true, name,
		createReader: () => ({readEntries: (yes) => { const some = read ? [] : files.map(file); read = true; yes(some); }})}; };
	const items = Object.entries(folders).map((f) => ({webkitGetAsEntry: () => folder(f)}));
	const e = new Event("drop", {bubbles: true, cancelable: true});
	e.dataTransfer = {types: ["Files"], items, files: []};
	document.body.dispatchEvent(e);
	return true;
})(%s)`

func TestPageAddsCheckpoints(t *testing.T) {
	s, f, _, b := visit(t)
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"my birds": ["model.safetensors", "config.json", "preprocessor_config.json", "notes.txt"]}`))
	b.until(t, `document.querySelector("#add-dialog[open]") && document.getElementById("add-name").value === "my-birds" && document.getElementById("add-family").value === "glyphs"`)
	b.click(t, "#add-form .primary")
	b.until(t, `document.querySelector("#chosen h2")?.textContent === "my-birds" && !document.querySelector("dialog[open]")`)
	f.Lock()
	if u := f.Uploads; len(u) != 1 || string(u[0].Model) != "x" || string(u[0].Config) != "x" || string(u[0].Preprocessor) != "x" {
		t.Errorf("the engine was given %+v", u)
	}
	f.Unlock()
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"one": ["model.safetensors", "config.json"], "two": ["model.safetensors", "config.json"]}`))
	b.until(t, `document.querySelectorAll("#add-list li").length === 2 && document.getElementById("add-name-row").hidden && document.getElementById("add-family").value`)
	b.click(t, "#add-form .primary")
	b.until(t, `document.querySelectorAll(".row").length === 6 && !document.querySelector("dialog[open]")`)
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"shards": ["model-1.safetensors", "model-2.safetensors", "config.json"]}`))
	b.until(t, `document.getElementById("toasts").textContent.includes("several tensor files")`)
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"pickled": ["pytorch_model.bin", "config.json"]}`))
	b.until(t, `document.querySelector("#add-dialog[open]") && document.getElementById("add-fault").textContent.includes("safe_serialization=True")`)
	b.checkClean(t, s.Addr)
}

// Of several files the page adds those that it can, and says what is wrong with the others.
func TestPageAddsValidFiles(t *testing.T) {
	_, f, _, b := visit(t)
	f.Lock()
	f.Refused = "bad"
	f.Unlock()
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"bad": ["model.safetensors", "config.json"], "good": ["model.safetensors", "config.json"]}`))
	b.until(t, `document.querySelectorAll("#add-list li").length === 2 && document.getElementById("add-family").value`)
	b.click(t, "#add-form .primary")
	b.until(t, `document.getElementById("add-fault").textContent === "1 of 2 could not be added." && document.getElementById("add-list").textContent === "bad bad is refused"`)
	b.until(t, `document.querySelectorAll(".row").length === 4 && !document.querySelector("#add-form .primary").disabled && document.getElementById("add-name").value === "bad"`)
	b.click(t, "#add-cancel")
	eval[bool](t, b, fmt.Sprintf(dropFolder, `{"": ["good.safetensors", "bad.safetensors"]}`))
	b.until(t, `document.querySelector("#add-dialog[open]") && document.getElementById("add-list").textContent === "bad bad is refused"`)
	b.click(t, "#add-cancel")
}

func TestPageShowsAFamily(t *testing.T) {
	s, _, _, b := visit(t)
	b.click(t, "#families")
	b.until(t, `document.querySelector("#family-dialog[open]") && document.querySelectorAll("#family-body tbody tr").length === 2 && document.querySelector("#family-body .spectrum path")?.getAttribute("d") && document.querySelector("#family-body .spectrum-panel")`)
	if got := eval[string](t, b, `document.querySelector("#family-body tbody th").textContent`); got != "layer 0 output" {
		t.Errorf("the first layer is %q", got)
	}
	b.click(t, "#family-close")
	b.click(t, "#details .link")
	b.until(t, `document.querySelector("#family-dialog[open]") && document.getElementById("family-title").textContent === "Family glyphs"`)
	b.checkClean(t, s.Addr)
}

// An alias is created, made a canary, and removed.
func TestPageMovesAliases(t *testing.T) {
	_, f, _, b := visit(t)
	b.click(t, "#aliases")
	b.until(t, `document.querySelector("#alias-dialog[open]") && document.querySelector(".alias b")?.textContent === "current" && document.querySelector(".alias .parts")?.textContent === "sans-lao"`)
	b.do(t, chromedp.SendKeys("#alias-name", "mine"))
	b.until(t, `document.querySelector(".target input")?.value === "music-1" && document.querySelectorAll(".target option").length === 3`)
	b.do(t, chromedp.SetValue(".target select", "1"))
	b.click(t, "#alias-save")
	b.until(t, `document.querySelectorAll(".alias").length === 2 && document.getElementById("toasts").textContent.includes("mine now stands for music-1:1")`)

	b.click(t, `[aria-label="Move mine"]`)
	b.until(t, `document.getElementById("alias-what").textContent === "Move mine" && document.querySelector(".target select")?.value === "1"`)
	b.click(t, "#alias-more")
	b.do(t, chromedp.SendKeys(".target:nth-child(2) input", "sans-takri"), chromedp.SetValue(".target:nth-child(1) input[type=number]", "95"),
		chromedp.SetValue(".target:nth-child(2) input[type=number]", "5"))
	b.until(t, `document.querySelectorAll("#alias-models option").length > 0`)
	b.click(t, "#alias-save")
	b.until(t, `[...document.querySelectorAll(".alias")].some((a) => a.querySelector(".parts")?.textContent === "music-1:1 95.0%sans-takri 5.0%")`)
	f.Lock()
	if got := fmt.Sprint(f.ByAlias["mine"].Targets); got != "[{music-1 1 95} {sans-takri 0 5}]" {
		t.Errorf("the alias stands for %s", got)
	}
	f.Unlock()

	b.do(t, chromedp.SendKeys("#alias-name", "to-nobody"), chromedp.SetValue(".target input", "nobody"))
	b.click(t, "#alias-save")
	b.until(t, `document.getElementById("alias-fault").textContent.includes("nobody")`)
	b.click(t, `[aria-label="Remove mine"]`)
	b.until(t, `document.querySelector("#remove-dialog[open]") && document.getElementById("remove-name").textContent === "mine"`)
	b.click(t, "#remove-dialog .danger")
	b.until(t, `document.querySelectorAll(".alias").length === 1`)
	b.do(t, chromedp.EmulateViewport(360, 800))
	b.click(t, `[aria-label="Move current"]`)
	b.click(t, "#alias-more")
	b.until(t, `document.querySelectorAll(".target").length === 2`)
	if wide := eval[string](t, b, `[...document.querySelectorAll(".aliases *")].filter((e) => e.getBoundingClientRect().right > document.getElementById("alias-dialog").getBoundingClientRect().right - 8).map((e) => e.id || e.className || e.tagName).join()`); wide != "" {
		t.Errorf("on a phone these stick out: %s", wide)
	}
}

// The server requires a token.
func TestPageAsksForAToken(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f, server.Options{Tokens: servertest.Tokens(t, "page read,infer"), Samples: fstest.MapFS{"music-1/ກ.png": {Data: samplePNG(t)}}})
	b := openBrowser(t, s.URL)
	b.until(t, `document.querySelector("#token-dialog[open]")`)
	b.do(t, chromedp.SendKeys("#token-field", "a wrong one, but long"))
	b.click(t, "#token-dialog .primary")
	b.until(t, `document.querySelector("#token-dialog[open]") && document.getElementById("token-why").textContent.includes("not known") && document.getElementById("token-field").value === ""`)
	b.do(t, chromedp.SendKeys("#token-field", servertest.Secret("page")))
	b.do(t, chromedp.KeyEvent(kb.Enter))
	b.until(t, `document.querySelectorAll(".row").length === 3 && document.getElementById("pulse").classList.contains("live")`)
	b.until(t, `document.querySelector("#samples img")?.naturalWidth === 32`)
	b.click(t, "#samples button")
	b.until(t, answered)
	b.click(t, "#chosen [aria-pressed]") // for which the token lacks the scope
	b.until(t, `document.getElementById("toasts").textContent.includes('lacks the scope "admin"')`)
	b.click(t, "#token")
	b.until(t, `document.querySelector("#token-dialog[open]")`)
	b.click(t, "#token-forget")
	b.until(t, `!sessionStorage.getItem("token") && document.querySelector("#token-dialog[open]") && !document.querySelector(".row, #details *")`)
	b.click(t, "#token-cancel")
	b.until(t, `document.getElementById("empty").textContent.includes("token") && document.getElementById("pulse").classList.contains("lost")`)
	if eval[bool](t, b, `JSON.stringify(localStorage).includes("page-s")`) {
		t.Error("the token is stored beyond the tab")
	}
}

func TestPageFitsEveryWidth(t *testing.T) {
	s, _, _, b := visit(t)
	b.draw(t, [][2]float64{{0.1, 0.1}, {0.3, 0.3}})
	b.until(t, answered)
	for _, width := range []int64{320, 390, 620, 768, 1024, 1360, 2560} {
		b.do(t, chromedp.EmulateViewport(width, 900))
		wide := `[...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".strip, .curl")).map((e) => e.id || e.className).join()`
		if got := eval[string](t, b, wide); got != "" {
			t.Errorf("at %d pixels these stick out: %s", width, got)
		}
	}
	unnamed := `[...document.querySelectorAll("button, input, select, canvas, [role=listbox], dialog, img")].filter((e) => !(e.ariaLabel || e.hasAttribute("alt") || e.querySelector("img[alt]:not([alt=''])") || e.textContent.trim() || e.labels?.length || e.getAttribute("aria-labelledby"))).map((e) => e.outerHTML).join()`
	if got := eval[string](t, b, unnamed); got != "" {
		t.Errorf("these have no name for a screen reader: %s", got)
	}
	b.checkClean(t, s.Addr)
}

// The files of the page contain no address of another host, except the names of XML
// namespaces.
func TestPageNamesNoOtherHost(t *testing.T) {
	err := fs.WalkDir(web.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(web.Files, name)
		rest := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")
		if strings.Contains(rest, "://") || strings.Contains(rest, "innerHTML") {
			t.Errorf("%s names an address or sets markup", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
