package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"eigenserve/store/tensorfile"
)

const (
	weightsName = "model.safetensors"
	indexName   = "model.safetensors.index.json"
	maxJSON     = 64 << 20 // bytes of a JSON file; an index names every tensor of a model
)

// hubSnapshot matches a snapshot in the Hub's cache.
var hubSnapshot = regexp.MustCompile(`^models--(?:.+--)?(.+)/snapshots/[0-9a-f]{40}$`)

// NameOf returns the name of the checkpoint in a folder: the folder's base name, or the
// model's for a snapshot in the Hub's cache, whose base name is a digest.
func NameOf(dir string) string {
	absolute, err := filepath.Abs(dir) // "." has a name too
	if err != nil {
		absolute = dir
	}
	parts := strings.Split(filepath.ToSlash(absolute), "/")
	if m := hubSnapshot.FindStringSubmatch(strings.Join(parts[max(0, len(parts)-3):], "/")); m != nil {
		return m[1]
	}
	return filepath.Base(absolute)
}

// openWeights opens model.safetensors, or the shards that the index names.
func openWeights(dir string) ([]*tensorfile.File, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%w: not a folder; give the folder that holds config.json and %s", ErrWeights, weightsName)
	}
	f, err := openTensors(dir, weightsName)
	if err == nil {
		return []*tensorfile.File{f}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	index, err := readFile(dir, indexName)
	if err != nil {
		return nil, err
	}
	if index == nil {
		return nil, missingWeights(dir)
	}
	return openShards(dir, index)
}

// readFile returns the content of a small file, or nil if it does not exist.
func readFile(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrConfig, name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrConfig, name, maxJSON)
	}
	return data, nil
}
