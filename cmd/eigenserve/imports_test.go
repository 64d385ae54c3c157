package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// mayImport lists the packages of this module that each of its packages may import. An
// entry that ends in "..." covers a tree. A package without a row may import none, so a
// new one needs a row here.
var mayImport = map[string][]string{
	"store":                     {"store/backend", "store/backend/folder", "store/tensorfile"},
	"store/backend":             {},
	"store/backend/backendtest": {"store/backend"},
	"store/backend/folder":      {"store/backend", "store/durable"},
	"store/checkpoint":          {"store/tensorfile", "runtime/plainjson"},
	"store/durable":             {},
	"store/rans":                {},
	"store/subspace":            {"store", "store/rans", "store/tensorfile", "runtime/kernel"},
	"store/tensorfile":          {"store/durable"},
	"store/zoo":                 {"store"},
	"store/zoo/_gen/pack":       {"store", "store/tensorfile"},

	"models":            {"models/...", "runtime/plainjson"},
	"models/image":      {"models/image/jpeg", "runtime/plainjson"},
	"models/image/jpeg": {},
	"models/input":      {"models/image"},
	"models/nn":         {"runtime/kernel"},
	"models/output":     {},
	"models/vit":        {"models/image", "models/input", "models/nn", "models/output", "runtime/plainjson"},

	"runtime":             {"models/...", "store/...", "runtime/cache", "runtime/fault", "runtime/family", "runtime/internal/similar", "runtime/kernel", "runtime/learn/gate", "runtime/sched"},
	"runtime/cache":       {"runtime/fault", "runtime/mem"},
	"runtime/family":      {"models/...", "store/...", "runtime/fault", "runtime/internal/similar", "runtime/kernel", "runtime/mem"},
	"runtime/fault":       {},
	"runtime/kernel":      {},
	"runtime/learn":       {"models/...", "store/...", "runtime/fault", "runtime/family", "runtime/learn/gate"},
	"runtime/learn/eval":  {"models/...", "store/...", "runtime/fault", "runtime/family", "runtime/learn/gate"},
	"runtime/learn/gate":  {"models/...", "store/...", "runtime/fault", "runtime/family", "runtime/kernel", "runtime/learn/teach"},
	"runtime/learn/teach": {"models/...", "store/...", "runtime/family", "runtime/kernel"},
	"runtime/mem":         {},
	"runtime/plainjson":   {},
	"runtime/sched":       {"runtime/fault"},

	"runtime/internal/similar":    {},
	"runtime/internal/testfamily": {"models/...", "store/...", "runtime/fault"},
	"runtime/internal/teststore":  {"store/...", "runtime/internal/testfamily", "runtime/learn", "runtime/learn/gate"},

	"server":                     {"runtime", "server/apidoc", "server/auth", "server/cors", "server/hint", "server/internal/conns", "server/internal/reload", "server/oip", "server/web", "server/wire"},
	"server/apidoc":              {},
	"server/auth":                {"runtime", "server/internal/reload"},
	"server/cors":                {},
	"server/hint":                {},
	"server/internal/conns":      {},
	"server/internal/reload":     {},
	"server/internal/servertest": {"runtime", "server/auth", "store"},
	"server/oip":                 {"runtime", "server/auth", "server/oip/inference", "server/wire"},
	"server/oip/inference":       {},
	"server/web":                 {},
	"server/wire":                {"runtime"},

	"cmd/eigenserve":          {"..."},
	"cmd/internal/catalogue":  {"..."},
	"cmd/internal/chaos":      {"..."},
	"cmd/internal/cli":        {"runtime/fault", "store/durable", "store/tensorfile"},
	"cmd/internal/client":     {"cmd/internal/cli", "runtime", "store/checkpoint"},
	"cmd/internal/config":     {"cmd/internal/cli"},
	"cmd/internal/dataset":    {"..."},
	"cmd/internal/familypage": {"..."},
	"cmd/internal/learning":   {"..."},
	"cmd/internal/load":       {"..."},
	"cmd/internal/measure":    {"..."},
	"cmd/internal/process":    {},
	"cmd/internal/serving":    {"..."},
	"cmd/internal/synth":      {"..."},
	"cmd/internal/version":    {},
}

// fences lists which packages may import certain packages of other modules.
var fences = map[string][]string{
	"github.com/gofiber/":             {"server"},
	"github.com/valyala/fasthttp":     {"server"},
	"github.com/hashicorp/golang-lru": {"runtime/cache"},
	"github.com/nlpodyssey/":          {"store/..."},
	"google.golang.org/":              {"server/oip/...", "server/wire"},
	"github.com/spf13/":               {"cmd/..."},
	"github.com/prometheus/":          {"server"},
	"go.opentelemetry.io/":            {"server", "server/oip", "cmd/..."},
	"go.yaml.in/":                     {"server/auth", "cmd/..."},
	"gonum.org/":                      {"store/subspace", "runtime/kernel"},
	"github.com/edsrzf/mmap-go":       {"store/tensorfile", "runtime/mem"},
	"github.com/gofrs/flock":          {"store/backend/folder"},
}

const root = "../.."

// TestImports checks the imports of all Go files except tests.
func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		seen++
		return checkFile(t, file)
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were checked: has this test moved?", seen)
	}
}

func checkFile(t *testing.T, file string) error {
	rel, err := filepath.Rel(root, file)
	if err != nil {
		return err
	}
	pkg := path.Dir(filepath.ToSlash(rel))
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if ours, ok := strings.CutPrefix(name, "eigenserve/"); ok && !allowed(mayImport[pkg], ours) {
			t.Errorf("%s: package %s may not import %s", rel, pkg, name)
		}
		for prefix, where := range fences {
			if strings.HasPrefix(name, prefix) && !allowed(where, pkg) {
				t.Errorf("%s: only %[3]v may import %[2]s", rel, name, where)
			}
		}
		if name == "runtime" && (spec.Name == nil || spec.Name.Name != "goruntime") {
			t.Errorf("%s: import Go's runtime as goruntime: ours has the same name", rel)
		}
		if name == "eigenserve/runtime" && spec.Name != nil {
			t.Errorf("%s: do not rename our runtime", rel)
		}
	}
	return nil
}

func allowed(rules []string, pkg string) bool {
	for _, rule := range rules {
		tree, isTree := strings.CutSuffix(rule, "...")
		if pkg == rule || isTree && (strings.HasPrefix(pkg, tree) || pkg == strings.TrimSuffix(tree, "/")) {
			return true
		}
	}
	return false
}

// TestTopLevel checks that the top level has nothing but what the layout names.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	known := "cmd runtime store server models go.mod go.sum README.md LICENSE ARCHITECTURE.md CHANGELOG.md Makefile "
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !strings.Contains(known, e.Name()+" ") {
			t.Errorf("the top level has an unexpected %s", e.Name())
		}
	}
}
