package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// contents is what lies in a folder that has neither of the files that hold weights.
type contents struct {
	dir     string
	files   []string // sorted, as the folders
	folders []string
}

// missingWeights returns the error for a folder without safetensors. It looks for what the
// folder may be instead, and says what to do.
func missingWeights(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	c := contents{dir: dir}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name())) // folders may be links
		if err == nil && info.IsDir() {
			c.folders = append(c.folders, e.Name())
		} else {
			c.files = append(c.files, e.Name())
		}
	}
	for _, explain := range []func(contents) error{
		contents.brokenLink, contents.adapter, contents.inner, contents.sharded, contents.variant,
		contents.pickle, contents.trainingState, contents.otherFormat,
	} {
		if err := explain(c); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: there is neither %s nor %s", ErrWeights, weightsName, indexName)
}

// find returns the first file that matches a pattern, or "".
func (c contents) find(pattern *regexp.Regexp) string {
	if i := slices.IndexFunc(c.files, pattern.MatchString); i >= 0 {
		return c.files[i]
	}
	return ""
}

// brokenLink finds links to weights that are not there, such as those in a copy of a Hub
// cache without its blobs.
func (c contents) brokenLink() error {
	for _, name := range []string{weightsName, indexName} {
		if slices.Contains(c.files, name) {
			target, _ := os.Readlink(filepath.Join(c.dir, name))
			return fmt.Errorf("%w: %s is a link to %q, which is missing; copy the file itself", ErrWeights, name, target)
		}
	}
	return nil
}

const mergeAdapter = "merge it into its base model with merge_and_unload() and save that with save_pretrained()"

// adapter finds a PEFT adapter.
func (c contents) adapter() error {
	if c.find(regexp.MustCompile(`^adapter_(config\.json|model\..*)$`)) == "" {
		return nil
	}
	var config struct {
		Base string `json:"base_model_name_or_path"`
	}
	if data, err := readFile(c.dir, "adapter_config.json"); err == nil && json.Unmarshal(data, &config) == nil && config.Base != "" {
		return fmt.Errorf("%w: this is a PEFT adapter for %.100q, not a whole model: %s", ErrWeights, config.Base, mergeAdapter)
	}
	return fmt.Errorf("%w: this is a PEFT adapter, not a whole model: %s", ErrWeights, mergeAdapter)
}

var trainerFolder = regexp.MustCompile(`^checkpoint-(\d+)$`)

// inner finds checkpoints in folders of the folder, as below a Trainer's output or in a
// model's part of the Hub's cache.
func (c contents) inner() error {
	var names []string
	for _, name := range c.folders {
		if trainerFolder.MatchString(name) || c.holdsWeights(name) {
			names = append(names, name)
		}
		if name == "snapshots" {
			snapshots, _ := filepath.Glob(filepath.Join(c.dir, name, "*"))
			for _, s := range snapshots {
				names = append(names, filepath.Join(name, filepath.Base(s)))
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return trainerStep(a) - trainerStep(b) })
	switch len(names) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: the checkpoint is in %s: name that folder", ErrWeights, names[0])
	case 2:
		return fmt.Errorf("%w: %s and %s are in it: name one", ErrWeights, names[0], names[1])
	}
	return fmt.Errorf("%w: %s are in it: name one", ErrWeights, shorten(names))
}

func (c contents) holdsWeights(folder string) bool {
	for _, name := range []string{weightsName, indexName} {
		if _, err := os.Stat(filepath.Join(c.dir, folder, name)); err == nil {
			return true
		}
	}
	return false
}

// trainerStep returns the number of a Trainer's folder, 0 for another.
func trainerStep(name string) int {
	if m := trainerFolder.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

var (
	otherIndex = regexp.MustCompile(`^model\.safetensors\.index\..+\.json$|^model\..+\.safetensors\.index\.json$`)
	shardFile  = regexp.MustCompile(`^model(\..+)?-\d+-of-\d+\.safetensors$`)
)

// sharded finds shards with an index of another name, or without one.
func (c contents) sharded() error {
	if name := c.find(otherIndex); name != "" {
		return fmt.Errorf("%w: the index is called %s: rename it to %s", ErrWeights, name, indexName)
	}
	if name := c.find(shardFile); name != "" {
		return fmt.Errorf("%w: %s is one of several files, but their index, %s, is missing: copy it too", ErrWeights, name, indexName)
	}
	return nil
}

// variant finds safetensors of another name, such as model.fp16.safetensors.
func (c contents) variant() error {
	var names []string
	for _, name := range c.files {
		if filepath.Ext(name) == ".safetensors" && name != "eval.safetensors" {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: the weights are in %s: rename it to %s", ErrWeights, names[0], weightsName)
	}
	return fmt.Errorf("%w: there is no %s, but %s: rename the one with the weights to %[2]s", ErrWeights, weightsName, shorten(names))
}

var (
	pickleFile   = regexp.MustCompile(`\.(bin|pt|pth|ckpt|pkl)$`)
	trainingFile = regexp.MustCompile(`^(training_args\.bin|(optimizer|scheduler|scaler)\.(pt|bin)|rng_state.*\.pth|random_states.*\.pkl)$`)
)

// pickle finds weights in PyTorch's pickle format. They are not read because they are
// programs.
func (c contents) pickle() error {
	i := slices.IndexFunc(c.files, func(name string) bool {
		return pickleFile.MatchString(name) && !trainingFile.MatchString(name) && !strings.HasPrefix(name, "openvino")
	})
	if i < 0 {
		return nil
	}
	name := c.files[i]
	if stem, ok := strings.CutPrefix(name, "pytorch_model"); ok {
		from := "'.'"
		if m := regexp.MustCompile(`^\.([\w-]+?)(-\d+-of-\d+)?\.bin$`).FindStringSubmatch(stem); m != nil {
			from += ", variant='" + m[1] + "'"
		}
		return fmt.Errorf("%w: convert %s, in the folder, with: "+
			`python -c "from transformers import ViTForImageClassification as V; V.from_pretrained(%s).save_pretrained('.', safe_serialization=True)"`,
			ErrPickle, name, from)
	}
	return fmt.Errorf("%w: convert %s, in the folder, with: "+
		`python -c "import torch; from safetensors.torch import save_file; s = torch.load('%s', map_location='cpu', weights_only=True); save_file({k: v.contiguous() for k, v in s.items()}, '%s')"`,
		ErrPickle, name, name, weightsName)
}

// trainingState finds what a training leaves that is distributed over processes, or that
// saved no model.
func (c contents) trainingState() error {
	for _, name := range c.folders {
		switch {
		case strings.HasPrefix(name, "global_step"):
			return fmt.Errorf("%w: %s holds the state of DeepSpeed: collect the weights, in the folder, with: python zero_to_fp32.py . . --safe_serialization", ErrWeights, name)
		case strings.HasPrefix(name, "pytorch_model_fsdp"):
			return fmt.Errorf("%w: %s holds the shards of FSDP: collect the weights with `accelerate merge-weights %[2]s .` in the folder", ErrWeights, name)
		}
	}
	if name := c.find(trainingFile); name != "" {
		return fmt.Errorf("%w: there is the state of a training (%s), but no %s: save the model with save_pretrained()", ErrWeights, name, weightsName)
	}
	return nil
}

// otherFormats are forms of a model that cannot be read. The first that matches is named.
var otherFormats = []struct {
	files        *regexp.Regexp
	what, remedy string
}{
	{regexp.MustCompile(`\.h5$`), "TensorFlow weights", convertWith("from_tf=True")},
	{regexp.MustCompile(`\.msgpack$`), "Flax weights", convertWith("from_flax=True")},
	{regexp.MustCompile(`\.npz$`), "JAX weights", "load them with timm.create_model(…, checkpoint_path=…) and save the model with timm.models.save_for_hf()"},
	{regexp.MustCompile(`\.onnx$`), "an ONNX export", useOriginal},
	{regexp.MustCompile(`(?i)\.(gguf|ggml)$`), "a GGUF file", useOriginal},
	{regexp.MustCompile(`\.(tflite|pb|keras)$|\.ckpt.*\.index$|\.data-\d+-of-\d+$`), "a TensorFlow model", useOriginal},
	{regexp.MustCompile(`^openvino.*\.(xml|bin)$`), "an OpenVINO export", useOriginal},
	{regexp.MustCompile(`\.(mlmodel|mlpackage)$`), "a Core ML export", useOriginal},
	{regexp.MustCompile(`\.(engine|plan|trt)$`), "a TensorRT engine", useOriginal},
}

const useOriginal = "use the checkpoint that it was made from, saved as safetensors"

// convertWith returns how transformers 4, the last to read TensorFlow and Flax, converts weights.
func convertWith(option string) string {
	return `convert them, in the folder, with transformers 4: ` +
		`python -c "from transformers import ViTForImageClassification as V; V.from_pretrained('.', ` + option + `).save_pretrained('.', safe_serialization=True)"`
}

// otherFormat finds a model in a form that cannot be read, in the folder or one level below.
func (c contents) otherFormat() error {
	files := slices.Concat(c.files, c.folders)
	for _, folder := range c.folders {
		below, err := os.ReadDir(filepath.Join(c.dir, folder))
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		for _, e := range below {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	for _, f := range otherFormats {
		for _, name := range files {
			if f.files.MatchString(name) {
				return fmt.Errorf("%w: the model is only there as %s (%s), which cannot be read: %s", ErrWeights, f.what, name, f.remedy)
			}
		}
	}
	return nil
}
