package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/store/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// refused checks that err is want and that its message contains some texts.
func refused(t *testing.T, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v is not %q", err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not contain %q", err, s)
		}
	}
}

func TestOpen(t *testing.T) {
	const preprocessor = `{"do_resize":true}`
	dir := folder(t, model(), "config.json", hfConfig, "preprocessor_config.json", preprocessor)
	c := mustOpen(t, dir)
	if c.Name != "glyphs" || string(c.Config) != hfConfig || string(c.Preprocessor) != preprocessor {
		t.Errorf("%q, %q, %q", c.Name, c.Config, c.Preprocessor)
	}
	if err := errors.Join(c.Check(modelSpecs()), c.CheckFinite()); err != nil {
		t.Error(err)
	}
	var size int64
	for _, x := range model() {
		size += int64(len(x.Data))
	}
	if c.Bytes() != size {
		t.Errorf("%d bytes, want %d", c.Bytes(), size)
	}
	names := c.Names()
	if len(names) != len(modelSpecs()) {
		t.Fatalf("%d names", len(names))
	}
	for _, name := range names {
		got, _ := c.Tensor(name)
		if diff := cmp.Diff(model()[name], got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, ok := c.Tensor("absent"); ok {
		t.Error("a tensor that does not exist was found")
	}
}

func TestNameOfWorkingDirectory(t *testing.T) {
	t.Chdir(folder(t, model(), "config.json", hfConfig))
	if c := mustOpen(t, "."); c.Name != "glyphs" || c.Preprocessor != nil {
		t.Errorf("%q, %q", c.Name, c.Preprocessor)
	}
}

func TestOpenUnreadable(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	refused(t, err, os.ErrNotExist, "none")

	dir := folder(t, model(), "config.json", hfConfig)
	_, err = Open(filepath.Join(dir, weightsName))
	refused(t, err, ErrWeights, "not a folder; give the folder that holds config.json and model.safetensors")

	_, err = Open(folder(t, nil, "config.json", hfConfig))
	refused(t, err, ErrWeights, "there is neither model.safetensors nor model.safetensors.index.json")

	_, err = Open(folder(t, nil, "config.json", hfConfig, weightsName, "\x01\x02"))
	refused(t, err, tensorfile.ErrHeader, "model.safetensors", "the file has 2 bytes")

	dir = folder(t, model())
	if err := os.Mkdir(filepath.Join(dir, "config.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	refused(t, err, ErrConfig, "config.json is not a regular file")
}

func TestPickles(t *testing.T) {
	for _, name := range []string{"pytorch_model.bin", "pytorch_model-00001-of-00002.bin"} {
		_, err := Open(folder(t, nil, "config.json", hfConfig, name, "pickle"))
		refused(t, err, ErrPickle, "convert "+name,
			`python -c "from transformers import ViTForImageClassification as V; V.from_pretrained('.').save_pretrained('.', safe_serialization=True)"`)
	}
	for _, name := range []string{"vit_b_16.pth", "best.pt", "last.ckpt", "weights.bin"} {
		_, err := Open(folder(t, nil, "config.json", hfConfig, name, "pickle"))
		refused(t, err, ErrPickle, "convert "+name, "torch.load('"+name+"', map_location='cpu', weights_only=True)", "save_file(", "'model.safetensors')")
	}
	mustOpen(t, folder(t, model(), "config.json", hfConfig, "pytorch_model.bin", "pickle")) // ignored if there are safetensors
}

func TestFromFiles(t *testing.T) {
	c, err := upload(t, model().asTransformers5(), hfConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(modelSpecs()); err != nil || c.Name != "glyphs" {
		t.Errorf("%q: %v", c.Name, err)
	}
}

// After an error the model is still open.
func TestFromFilesErrorLeavesModelOpen(t *testing.T) {
	var b bytes.Buffer
	if err := tensorfile.Encode(&b, model(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	_, err = FromFiles("x", []byte("{"), nil, f)
	refused(t, err, ErrConfig, "config.json")
	if _, ok := f.Tensor("classifier.weight"); !ok {
		t.Error("the model was closed")
	}
}

func TestClose(t *testing.T) {
	c, err := Open(folder(t, model(), "config.json", hfConfig))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, ok := c.Tensor("classifier.weight"); ok {
		t.Error("a closed checkpoint returns tensors")
	}
	if _, err := c.Digest(); err == nil {
		t.Error("a closed checkpoint returns a digest")
	}
}

func TestZoo(t *testing.T) {
	dir := "../../../shared/zoo/models/sans-lepcha"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the zoo is not available: ", err)
	}
	c := mustOpen(t, dir)
	if len(c.Names()) != 104 || c.Name != "sans-lepcha" || c.Preprocessor == nil {
		t.Errorf("%d tensors of %q", len(c.Names()), c.Name)
	}
	if err := c.CheckFinite(); err != nil {
		t.Error(err)
	}
	s, err := c.sizes()
	want := sizes{hidden: 64, layers: 6, mlp: 256, channels: 3, labels: 24, patch: [2]int{8, 8}, positions: 17, image: [2]int{32, 32}, qkvBias: true}
	if err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	if len(mustDigest(t, c)) != 64 {
		t.Error("the digest does not have 64 digits")
	}
}
