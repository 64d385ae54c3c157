package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/store/tensorfile"
)

// sharded writes the model to two files. It returns their folder and the index, for a test
// to change and write.
func sharded(t *testing.T) (dir string, weightMap map[string]string) {
	t.Helper()
	dir = folder(t, nil, "config.json", hfConfig)
	weightMap = map[string]string{}
	shards := []named{{}, {}}
	for i, name := range slices.Sorted(maps.Keys(model())) {
		shards[i%2][name] = model()[name]
		weightMap[name] = shardName(i % 2)
	}
	for i, shard := range shards {
		if err := tensorfile.WriteFile(filepath.Join(dir, shardName(i)), shard, nil); err != nil {
			t.Fatal(err)
		}
	}
	return dir, weightMap
}

func shardName(i int) string { return fmt.Sprintf("model-%05d-of-00002.safetensors", i+1) }

func writeIndex(t *testing.T, dir string, weightMap map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": weightMap})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, indexName), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestShards(t *testing.T) {
	dir, weightMap := sharded(t)
	writeIndex(t, dir, weightMap)
	c := mustOpen(t, dir)
	if err := c.Check(modelSpecs()); err != nil {
		t.Error(err)
	}
	whole := mustOpen(t, folder(t, model(), "config.json", hfConfig))
	if mustDigest(t, c) != mustDigest(t, whole) || c.Bytes() != whole.Bytes() {
		t.Error("the shards differ from the single file")
	}
}

func TestShardRefusals(t *testing.T) {
	const bias, weight = "classifier.bias", "classifier.weight" // in the first and the second file
	cases := []struct {
		name   string
		change func(weightMap map[string]string)
		says   string
	}{
		{"an unlisted tensor", func(m map[string]string) { delete(m, bias) }, `"classifier.bias" in model-00001-of-00002.safetensors is not listed`},
		{"a tensor listed for the other file", func(m map[string]string) { m[bias] = shardName(1) }, `"classifier.bias" in model-00001-of-00002.safetensors is listed for model-00002-of-00002.safetensors`},
		{"a tensor in no file", func(m map[string]string) { m["ghost"] = shardName(1) }, `"ghost" is not in model-00002-of-00002.safetensors`},
		{"a missing file", func(m map[string]string) { m["ghost"] = "model-00003.safetensors" }, "shard 3 of 3: stat"},
		{"no weight_map", func(m map[string]string) { clear(m) }, "model.safetensors.index.json has no weight_map"},
		{"a file in the parent folder", func(m map[string]string) { m[weight] = "../model.safetensors" }, `names "../model.safetensors", which is not a safetensors file in the same folder`},
		{"a file in a subfolder", func(m map[string]string) { m[weight] = "a/model.safetensors" }, "which is not a safetensors file in the same folder"},
		{"a file with a backslash", func(m map[string]string) { m[weight] = `..\model.safetensors` }, "which is not a safetensors file in the same folder"},
		{"a file on another drive", func(m map[string]string) { m[weight] = "c:model.safetensors" }, "which is not a safetensors file in the same folder"},
		{"a file with an absolute path", func(m map[string]string) { m[weight] = "/etc/model.safetensors" }, "which is not a safetensors file in the same folder"},
		{"a file with a NUL", func(m map[string]string) { m[weight] = "a\x00.safetensors" }, "which is not a safetensors file in the same folder"},
		{"a file of another kind", func(m map[string]string) { m[weight] = "config.json" }, "which is not a safetensors file in the same folder"},
		{"the parent folder", func(m map[string]string) { m[weight] = ".." }, "which is not a safetensors file in the same folder"},
		{"an empty name", func(m map[string]string) { m[weight] = "" }, "which is not a safetensors file in the same folder"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir, weightMap := sharded(t)
			c.change(weightMap)
			writeIndex(t, dir, weightMap)
			_, err := Open(dir)
			refused(t, err, ErrWeights, c.says)
		})
	}
}

func TestShardIsFolder(t *testing.T) {
	dir, weightMap := sharded(t)
	weightMap["ghost"] = "a.safetensors"
	writeIndex(t, dir, weightMap)
	if err := os.Mkdir(filepath.Join(dir, "a.safetensors"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	refused(t, err, ErrWeights, "not a regular file")
}

func TestUnreadableIndex(t *testing.T) {
	for _, index := range []string{"{", `{"weight_map":{"a":1}}`, `{"weight_map":[]}`} {
		_, err := Open(folder(t, nil, "config.json", hfConfig, indexName, index))
		refused(t, err, ErrWeights, indexName)
	}
}

// The files of a folder may be links, as in a cache of Hugging Face.
func TestLinkedWeights(t *testing.T) {
	real := folder(t, model())
	dir := folder(t, nil, "config.json", hfConfig)
	if err := os.Symlink(filepath.Join(real, weightsName), filepath.Join(dir, weightsName)); err != nil {
		t.Skip("links are not supported: ", err)
	}
	mustOpen(t, dir)
}

func TestLongFile(t *testing.T) {
	dir := folder(t, model())
	f, err := os.Create(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxJSON + 1); err != nil { // sparse
		t.Fatal(err)
	}
	f.Close()
	_, err = Open(dir)
	refused(t, err, ErrConfig, "config.json is longer than")
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("%v does not name the folder", err)
	}
}
