package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"eigenserve/store/tensorfile"
)

const (
	weightsName = "model.safetensors"
	indexName   = "model.safetensors.index.json"
	maxJSON     = 64 << 20 // bytes of a JSON file; an index names every tensor of a model
)

// openWeights opens model.safetensors, or the shards that the index names.
func openWeights(dir string) ([]*tensorfile.File, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%w: not a folder; give the folder that holds config.json and %s", ErrWeights, weightsName)
	}
	f, err := tensorfile.Open(filepath.Join(dir, weightsName))
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

// missingWeights returns the error for a folder without safetensors, with what to do. Pickles
// are not read because they are programs.
func missingWeights(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	pickle := slices.IndexFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains([]string{".bin", ".pt", ".pth", ".ckpt"}, filepath.Ext(e.Name()))
	})
	if pickle < 0 {
		return fmt.Errorf("%w: there is neither %s nor %s", ErrWeights, weightsName, indexName)
	}
	name := entries[pickle].Name()
	if strings.HasPrefix(name, "pytorch_model") {
		return fmt.Errorf("%w: convert %s, in the folder, with: "+
			`python -c "from transformers import ViTForImageClassification as V; V.from_pretrained('.').save_pretrained('.', safe_serialization=True)"`,
			ErrPickle, name)
	}
	return fmt.Errorf("%w: convert %s, in the folder, with: "+
		`python -c "import torch; from safetensors.torch import save_file; s = torch.load('%s', map_location='cpu', weights_only=True); save_file({k: v.contiguous() for k, v in s.items()}, '%s')"`,
		ErrPickle, name, name, weightsName)
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
