package main

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// maxPackageFiles is the largest number of files of a package, tests aside.
const maxPackageFiles = 25

// largePackages may have more files: a command has a file for each of its commands, and
// the kernels one for each operation and instruction set.
var largePackages = map[string]bool{
	"cmd/eigenserve":      true,
	"runtime/kernel":      true,
	"runtime/kernel/_gen": true,
}

// TestPackageSizes checks that no package has too many files.
func TestPackageSizes(t *testing.T) {
	files := map[string]int{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			rel, err := filepath.Rel(root, filepath.Dir(file))
			files[filepath.ToSlash(rel)]++
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, n := range files {
		if n > maxPackageFiles && !largePackages[pkg] {
			t.Errorf("package %s has %d files, more than %d: split it", pkg, n, maxPackageFiles)
		}
	}
	for pkg := range largePackages {
		if files[pkg] == 0 {
			t.Errorf("largePackages lists %s, which does not exist", pkg)
		}
	}
}
