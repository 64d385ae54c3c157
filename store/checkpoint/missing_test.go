package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store/tensorfile"
)

// lay writes files, given by their slash-separated paths, into a new folder. A path that
// ends in a slash is a folder.
func lay(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range paths {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content := "x"
		if filepath.Base(path) == "adapter_config.json" {
			content = `{"base_model_name_or_path":"google/vit-base-patch16-224-in21k","peft_type":"LORA"}`
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMissingWeights(t *testing.T) {
	for name, c := range map[string]struct {
		paths []string
		says  string
	}{
		"nothing":                         {nil, "there is neither model.safetensors nor model.safetensors.index.json"},
		"a configuration":                 {[]string{"config.json"}, "there is neither model.safetensors"},
		"an adapter":                      {[]string{"adapter_config.json", "adapter_model.safetensors"}, `a PEFT adapter for "google/vit-base-patch16-224-in21k", not a whole model: merge it into its base model with merge_and_unload()`},
		"an adapter in a pickle":          {[]string{"adapter_model.bin", "training_args.bin"}, "a PEFT adapter, not a whole model: merge"},
		"one checkpoint of a Trainer":     {[]string{"checkpoint-500/"}, "the checkpoint is in checkpoint-500: name that folder"},
		"two checkpoints of a Trainer":    {[]string{"checkpoint-1000/", "checkpoint-500/", "training_args.bin", "runs/x/events"}, "checkpoint-500 and checkpoint-1000 are in it: name one"},
		"three checkpoints of a Trainer":  {[]string{"checkpoint-1000/", "checkpoint-1500/", "checkpoint-500/"}, "checkpoint-500, checkpoint-1000, checkpoint-1500 are in it: name one"},
		"a folder of checkpoints":         {[]string{"a/model.safetensors", "b/model.safetensors.index.json", "c/x"}, "a and b are in it: name one"},
		"a model in the Hub's cache":      {[]string{"refs/main", "blobs/", "snapshots/0123/config.json"}, "the checkpoint is in " + filepath.Join("snapshots", "0123") + ": name that folder"},
		"half precision":                  {[]string{"config.json", "model.fp16.safetensors"}, "the weights are in model.fp16.safetensors: rename it to model.safetensors"},
		"several variants":                {[]string{"model.bf16.safetensors", "model.fp16.safetensors"}, "there is no model.safetensors, but model.bf16.safetensors, model.fp16.safetensors: rename the one with the weights to model.safetensors"},
		"another name":                    {[]string{"vit.safetensors", "eval.safetensors"}, "the weights are in vit.safetensors: rename it"},
		"the index of a variant":          {[]string{"model.safetensors.index.fp16.json", "model.fp16-00001-of-00002.safetensors"}, "rename it to model.safetensors.index.json"},
		"shards without an index":         {[]string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, "their index, model.safetensors.index.json, is missing"},
		"a pickle in half precision":      {[]string{"pytorch_model.fp16.bin"}, "V.from_pretrained('.', variant='fp16')"},
		"a pickle in shards of a variant": {[]string{"pytorch_model.fp16-00001-of-00002.bin"}, "V.from_pretrained('.', variant='fp16')"},
		"a pickle beside a training's":    {[]string{"optimizer.pt", "pytorch_model.bin", "rng_state.pth"}, "convert pytorch_model.bin"},
		"a training's state":              {[]string{"optimizer.pt", "rng_state_0.pth", "scheduler.pt", "training_args.bin"}, "the state of a training (optimizer.pt)"},
		"the state of DeepSpeed":          {[]string{"global_step500/x", "training_args.bin"}, "python zero_to_fp32.py"},
		"the shards of FSDP":              {[]string{"pytorch_model_fsdp_0/x", "training_args.bin"}, "accelerate merge-weights pytorch_model_fsdp_0 ."},
		"TensorFlow":                      {[]string{"config.json", "tf_model.h5"}, "only there as TensorFlow weights (tf_model.h5), which cannot be read: convert them, in the folder, with transformers 4: python -c"},
		"Flax":                            {[]string{"flax_model.msgpack"}, "from_flax=True"},
		"JAX":                             {[]string{"ViT-B_16.npz"}, "save_for_hf"},
		"ONNX":                            {[]string{"config.json", "model.onnx"}, "an ONNX export (model.onnx), which cannot be read: use the checkpoint that it was made from"},
		"ONNX in a folder":                {[]string{"config.json", "onnx/model_quantized.onnx"}, "an ONNX export (" + filepath.Join("onnx", "model_quantized.onnx")},
		"GGUF":                            {[]string{"vit-Q4_K_M.gguf"}, "a GGUF file (vit-Q4_K_M.gguf)"},
		"a SavedModel":                    {[]string{"saved_model.pb", "variables/variables.index"}, "a TensorFlow model (saved_model.pb)"},
		"a checkpoint of TensorFlow":      {[]string{"model.ckpt-10.data-00000-of-00001", "model.ckpt-10.index"}, "a TensorFlow model"},
		"OpenVINO":                        {[]string{"openvino_model.bin", "openvino_model.xml"}, "an OpenVINO export"},
		"Core ML":                         {[]string{"Model.mlpackage/Data/x"}, "a Core ML export"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(lay(t, c.paths...))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

func TestBrokenLink(t *testing.T) {
	dir := folder(t, nil, "config.json", hfConfig)
	if err := os.Symlink("../../blobs/4d7a", filepath.Join(dir, weightsName)); err != nil {
		t.Skip("links are not supported: ", err)
	}
	_, err := Open(dir)
	refused(t, err, ErrWeights, `model.safetensors is a link to "../../blobs/4d7a", which is missing`)
}

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

func TestImpostors(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"a pointer":              {pointer, "model.safetensors is a Git LFS pointer, not the file itself: run `git lfs pull`"},
		"a page":                 {"\n <!DOCTYPE HTML>\n<html><head>", "model.safetensors is an HTML page, not the file itself: download it again"},
		"a page without a type":  {`<html lang="en">`, "is an HTML page"},
		"a refusal":              {"Invalid username or password.", `model.safetensors is text ("Invalid username or password."), not the file itself`},
		"a refusal in JSON":      {`{"error":"Repository not found"}`, "model.safetensors is text"},
		"a pickle in a zip":      {"PK\x03\x04\x00\x00\x08\x08archive/data.pkl", "is a zip archive, such as PyTorch's pickle: convert"},
		"a pickle":               {"\x80\x02}q\x00(X\x05\x00\x00\x00model", "is a pickle: convert"},
		"GGUF":                   {"GGUF\x03\x00\x00\x00\x00\x00\x00\x00", "is a GGUF file"},
		"HDF5":                   {"\x89HDF\r\n\x1a\n\x00\x00", "is an HDF5 file"},
		"nothing":                {"", "model.safetensors is empty"},
		"bytes of no known kind": {"\xff\xfe\x00\x01\x02\x03\x04\x05\x06", "the header claims"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(folder(t, nil, "config.json", hfConfig, weightsName, c.content))
			refused(t, err, tensorfile.ErrHeader, c.says)
			if c.says != "the header claims" && strings.Contains(err.Error(), "claims") {
				t.Errorf("%q speaks of the header", err)
			}
			_, err = ParseWeights([]byte(c.content))
			refused(t, err, tensorfile.ErrHeader, strings.TrimPrefix(c.says, "model.safetensors "))
		})
	}
	dir, weightMap := sharded(t)
	writeIndex(t, dir, weightMap)
	for _, shard := range weightMap {
		if err := os.WriteFile(filepath.Join(dir, shard), []byte(pointer), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(dir)
	refused(t, err, ErrWeights, "shard 1 of 2", "is a Git LFS pointer")
	_, err = Open(folder(t, nil, "config.json", hfConfig, indexName, pointer))
	refused(t, err, ErrWeights, indexName+" is a Git LFS pointer")
	_, err = Open(folder(t, model(), "config.json", pointer))
	refused(t, err, ErrConfig, "config.json is a Git LFS pointer")
	_, err = Open(folder(t, model(), "config.json", ""))
	refused(t, err, ErrConfig, "config.json is empty")
	_, err = Open(folder(t, model(), "config.json", hfConfig, "preprocessor_config.json", "<!doctype html>"))
	refused(t, err, ErrConfig, "preprocessor_config.json is an HTML page")
}

func TestNameOf(t *testing.T) {
	hash := strings.Repeat("0123456789", 4)
	for dir, want := range map[string]string{
		"/a/b/vit":               "vit",
		"/a/b/vit/":              "vit",
		"/a/vit/checkpoint-500":  "checkpoint-500",
		"/hub/snapshots/" + hash: hash,
		"/hub/models--google--vit-base/snapshots/" + hash:     "vit-base",
		"/hub/models--google--vit-base/snapshots/main":        "main",
		"/hub/models--vit/snapshots/" + hash:                  "vit",
		"/hub/models--google--vit--base/snapshots/" + hash:    "base",
		"/hub/models--google--vit-base/snapshots/" + hash[1:]: hash[1:],
	} {
		if got := NameOf(dir); got != want {
			t.Errorf("%s is called %q, want %q", dir, got, want)
		}
	}
}
