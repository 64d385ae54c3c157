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
	"runtime/fault":       {},
	"runtime/kernel":      {},
	"store":               {"store/tensorfile"},
	"store/tensorfile":    {},
	"store/checkpoint":    {"store/tensorfile"},
	"store/code":          {},
	"store/subspace":      {"store", "store/code", "store/tensorfile", "runtime/kernel"},
	"store/zoo":           {"store"},
	"store/zoo/_gen/pack": {"store", "store/tensorfile"},
	"models/pixel":        {},
	"models/nn":           {"runtime/kernel"},
	"models/vit":          {"models/nn", "models/pixel"},
	"models":              {"models/..."},
	"runtime":             {"models/...", "store/...", "runtime/fault", "runtime/kernel"},
	"server":              {"runtime", "server/web", "server/inference"},
	"server/web":          {},
	"server/inference":    {},
	"cmd/eigenserve":      {"..."},

	// Packages that only the command uses.
	"cmd/internal/cli":        {"store/tensorfile"},
	"cmd/internal/version":    {},
	"cmd/internal/config":     {"cmd/internal/cli"},
	"cmd/internal/client":     {"cmd/internal/cli", "runtime", "store/checkpoint"},
	"cmd/internal/process":    {},
	"cmd/internal/catalogue":  {"..."},
	"cmd/internal/chaos":      {"..."},
	"cmd/internal/dataset":    {"..."},
	"cmd/internal/familypage": {"..."},
	"cmd/internal/learning":   {"..."},
	"cmd/internal/load":       {"..."},
	"cmd/internal/measure":    {"..."},
	"cmd/internal/serving":    {"..."},
	"cmd/internal/synth":      {"..."},
}

// fences lists which packages may import certain packages of other modules.
var fences = map[string][]string{
	"github.com/gofiber/":             {"server"},
	"github.com/valyala/fasthttp":     {"server"},
	"github.com/hashicorp/golang-lru": {"runtime"},
	"github.com/nlpodyssey/":          {"store/..."},
	"google.golang.org/":              {"server", "server/inference"},
	"github.com/spf13/":               {"cmd/..."},
	"github.com/prometheus/":          {"server"},
	"go.opentelemetry.io/":            {"server", "cmd/internal/serving"},
	"go.yaml.in/":                     {"server", "cmd/internal/config"},
	"gonum.org/":                      {"store/subspace", "runtime/kernel"},
	"github.com/edsrzf/mmap-go":       {"store/tensorfile", "runtime"},
	"github.com/gofrs/flock":          {"store"},
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
