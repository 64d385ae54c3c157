package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"eigenserve/store/tensorfile"
)

// openShards opens the files that an index names. Each must hold the tensors that the index
// lists for it, and no others.
func openShards(dir string, index []byte) ([]*tensorfile.File, error) {
	var content struct {
		WeightMap map[string]string `json:"weight_map"` // tensor to file
	}
	if err := unmarshal(ErrWeights, indexName, index, &content); err != nil {
		return nil, err
	}
	shards, err := shardNames(content.WeightMap)
	if err != nil {
		return nil, err
	}
	var files []*tensorfile.File
	var complaints []string
	for i, shard := range shards {
		f, err := openTensors(dir, shard)
		if err != nil {
			err = fmt.Errorf("%w: shard %d of %d: %w", ErrWeights, i+1, len(shards), err)
			return nil, errors.Join(err, closeAll(files))
		}
		files = append(files, f)
		complaints = append(complaints, compareShard(shard, f, content.WeightMap)...)
	}
	if len(complaints) > 0 {
		err := fmt.Errorf("%w: %s: %s", ErrWeights, indexName, shorten(complaints))
		return nil, errors.Join(err, closeAll(files))
	}
	return files, nil
}

// shardNames returns the files that an index names, sorted. The index is untrusted, so only
// names of files in the same folder are allowed.
func shardNames(weightMap map[string]string) ([]string, error) {
	if len(weightMap) == 0 {
		return nil, fmt.Errorf("%w: %s has no weight_map", ErrWeights, indexName)
	}
	var shards []string
	seen := map[string]bool{}
	for _, shard := range weightMap {
		if seen[shard] {
			continue
		}
		seen[shard] = true
		if strings.ContainsAny(shard, "/\\:\x00") || !filepath.IsLocal(shard) || filepath.Ext(shard) != ".safetensors" {
			return nil, fmt.Errorf("%w: %s names %q, which is not a safetensors file in the same folder", ErrWeights, indexName, shard)
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	return shards, nil
}

// compareShard lists the differences between one file and the index.
func compareShard(shard string, f *tensorfile.File, weightMap map[string]string) []string {
	var complaints []string
	for _, name := range f.Names() {
		switch listed, ok := weightMap[name]; {
		case !ok:
			complaints = append(complaints, fmt.Sprintf("%q in %s is not listed", name, shard))
		case listed != shard:
			complaints = append(complaints, fmt.Sprintf("%q in %s is listed for %s", name, shard, listed))
		}
	}
	var absent []string
	for name, listed := range weightMap {
		if _, ok := f.Tensor(name); listed == shard && !ok {
			absent = append(absent, fmt.Sprintf("%q is not in %s", name, shard))
		}
	}
	slices.Sort(absent)
	return append(complaints, absent...)
}
