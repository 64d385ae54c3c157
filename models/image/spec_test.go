package image

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseSpecAccepts(t *testing.T) {
	plain := Spec{filter: bilinear, resize: resizeExact, resizeTo: [2]int{32, 32}}
	cropped := Spec{filter: bicubic, resize: resizeShortest, resizeTo: [2]int{40, 40}, centerCrop: true}
	cases := []struct {
		name, config string
		want         Spec // geometry only
	}{
		{"an empty object", `{}`, plain},
		{"size of sides", `{"size":{"height":32,"width":32}}`, plain},
		{"size of one number", `{"size":32}`, plain},
		{"size of a pair", `{"size":[32,32]}`, plain},
		{"size with null sides", `{"size":{"height":32,"width":32,"longest_edge":null}}`, plain},
		{"size given twice", `{"size":{"shortest_edge":9},"size":32}`, plain},
		{"nulls", `{"size":null,"resample":null,"image_mean":null,"image_std":null,"do_resize":null,"do_center_crop":null}`, plain},
		{"unknown keys", `{"size":32,"processor_class":null,"_valid":[1,{"a":2}]}`, plain},
		{"the older key of the processor", `{"feature_extractor_type":"ViTFeatureExtractor"}`, plain},
		{"the newer key before the older", `{"image_processor_type":"ViTImageProcessorFast","feature_extractor_type":"Other"}`, plain},
		{"convert to rgb", `{"do_convert_rgb":true}`, plain},
		{"hamming", `{"resample":5}`, Spec{filter: hamming, resize: resizeExact, resizeTo: [2]int{32, 32}}},
		{"no resize", `{"do_resize":false,"size":{"height":9,"width":9}}`, Spec{filter: bilinear}},
		{"crop after no resize", `{"do_resize":false,"do_center_crop":true}`, Spec{filter: bilinear, centerCrop: true}},
		{"clip as saved today", `{"image_processor_type":"CLIPImageProcessor","size":{"shortest_edge":40},"crop_size":{"height":32,"width":32}}`, cropped},
		{"clip as saved earlier", `{"feature_extractor_type":"CLIPFeatureExtractor","size":40,"crop_size":32}`, cropped},
		{"one number that is not a square", `{"size":40,"default_to_square":false,"do_center_crop":true,"resample":3}`, cropped},
		{"clip with a square size", `{"image_processor_type":"CLIPImageProcessor","size":40,"default_to_square":true}`,
			Spec{filter: bicubic, resize: resizeExact, resizeTo: [2]int{40, 40}, centerCrop: true}},
		{"deit", `{"image_processor_type":"DeiTImageProcessor","size":{"height":36,"width":40}}`,
			Spec{filter: bicubic, resize: resizeExact, resizeTo: [2]int{36, 40}, centerCrop: true}},
	}
	for _, c := range cases {
		s, err := ParseSpec([]byte(c.config), 3, 32, 32)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if s.filter != c.want.filter || s.resize != c.want.resize || s.resizeTo != c.want.resizeTo || s.centerCrop != c.want.centerCrop {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestParseSpecRejects(t *testing.T) {
	cases := []struct{ name, config, says string }{
		{"no bytes", ``, "unexpected end"},
		{"null", `null`, "null"},
		{"an array", `[]`, "a list"},
		{"bytes after the object", `{} {}`, "after top-level"},
		{"a flag that is not a boolean", `{"do_resize":"yes"}`, "do_resize is text, not true or false"},
		{"an unknown rounding", `{"center_crop_rounding":"up"}`, `center_crop_rounding "up"`},
		{"a filter by name", `{"resample":"bicubic"}`, "resample is text, not a whole number"},
		{"a filter that is a fraction", `{"resample":3.0}`, "resample is 3.0, not a whole number"},
		{"a filter that does not exist", `{"resample":6}`, "resample 6"},
		{"a negative filter", `{"resample":-1}`, "resample -1"},
		{"a filter that would wrap around", `{"resample":258}`, "resample 258"},
		{"size that is not the model's", `{"size":33}`, "33×33, but the model reads 32×32"},
		{"crop that is not the model's", `{"do_center_crop":true,"size":40,"crop_size":31}`, "crop_size makes images of 31×31"},
		{"crop of a shortest edge", `{"do_center_crop":true,"size":40,"crop_size":{"shortest_edge":32}}`, "crop_size"},
		{"crop without a size", `{"do_center_crop":true}`, "without a size"},
		{"shortest edge without crop", `{"size":{"shortest_edge":32}}`, "shortest_edge"},
		{"longest edge", `{"size":{"shortest_edge":32,"longest_edge":64}}`, "longest_edge"},
		{"height without width", `{"size":{"height":32}}`, "height and width"},
		{"no sides", `{"size":{}}`, "height and width"},
		{"sides and shortest edge", `{"size":{"height":32,"width":32,"shortest_edge":32}}`, "height and width"},
		{"size of three", `{"size":[3,32,32]}`, "neither"},
		{"size of a word", `{"size":"32"}`, `size "32" is neither`},
		{"size zero", `{"size":0}`, "1 to"},
		{"size negative", `{"size":{"height":-1,"width":32}}`, "1 to"},
		{"size out of range", `{"size":{"shortest_edge":9000000000000000000}}`, "1 to"},
		{"size larger than an integer", `{"size":1e300}`, "neither"},
		{"means of two", `{"image_mean":[0.5,0.5]}`, "image_mean has 2"},
		{"no means", `{"image_mean":[]}`, "image_mean has 0"},
		{"a null mean", `{"image_mean":[0.5,null,0.5]}`, "null"},
		{"a mean that is a word", `{"image_mean":["x",1,1]}`, "image_mean is text, not a number"},
		{"a deviation of zero", `{"image_std":[0.5,0,0.5]}`, "finite"},
		{"a deviation that rounds to zero", `{"image_std":1e-60}`, "finite"},
		{"a mean beyond float32", `{"image_mean":1e200}`, "finite"},
		{"a deviation that is not a number", `{"image_std":[NaN,1,1]}`, "invalid character"},
		{"a factor of zero", `{"rescale_factor":0}`, "rescale_factor"},
		{"a factor beyond float64", `{"rescale_factor":1e999}`, "rescale_factor"},
		{"a factor beyond float32", `{"rescale_factor":1e300}`, "finite"},
		{"another processor", `{"image_processor_type":"ConvNextImageProcessor"}`, `"ConvNextImageProcessor"`},
		{"depth", strings.Repeat(`{"size":`, 100000), ""},
	}
	for _, c := range cases {
		_, err := ParseSpec([]byte(c.config), 3, 32, 32)
		if !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.says)
		}
	}
}

func TestParseSpecRejectsModels(t *testing.T) {
	for _, c := range []struct {
		name                    string
		config                  []byte
		channels, height, width int
	}{
		{"of four channels", nil, 4, 32, 32},
		{"of no channels", nil, 0, 32, 32},
		{"of no height", nil, 3, 0, 32},
		{"of huge width", nil, 3, 32, math.MaxInt},
		{"of grey images with conversion to rgb", []byte(`{"do_convert_rgb":true}`), 1, 32, 32},
		{"of grey images with a mean of colours only", []byte(`{"image_processor_type":"CLIPImageProcessor","size":32}`), 1, 32, 32},
	} {
		if _, err := ParseSpec(c.config, c.channels, c.height, c.width); !errors.Is(err, ErrSpec) {
			t.Errorf("a model %s: error %v", c.name, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		name, config string
		channels     int
		at           int // channel·256 + level
		want         float32
	}{
		{"white of the default", `{}`, 3, 2*256 + 255, 1},
		{"black of the default", `{}`, 1, 0, -1},
		{"one mean for all", `{"image_mean":[0],"image_std":2}`, 3, 256 + 255, 0.5},
		{"one for each channel", `{"image_mean":[0,0.5,1],"image_std":[1,2,4]}`, 3, 2*256 + 0, -0.25},
		{"not rescaled", `{"do_rescale":false,"image_mean":1,"image_std":1}`, 3, 200, 199},
		{"not normalised", `{"do_normalize":false,"rescale_factor":0.5}`, 3, 200, 100},
		{"neither", `{"do_normalize":false,"do_rescale":false}`, 3, 512 + 7, 7},
	} {
		s, err := ParseSpec([]byte(c.config), c.channels, 4, 4)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := s.levels[c.at]; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseSpecOfTheZoo(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/zoo/*/*/preprocessor_config.json")
	if len(files) == 0 {
		t.Skip("no checkpoints in ../shared/zoo")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSpec(data, 3, 32, 32); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, c := range golden[pipelineCase](f, "pipeline.json") {
		f.Add([]byte(c.Config))
	}
	f.Add([]byte(`{"size":40,"crop_size":[24,24],"do_center_crop":true,"image_mean":0.1}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		s, err := ParseSpec(config, 3, 24, 24)
		if err != nil {
			if !errors.Is(err, ErrSpec) {
				t.Fatalf("not ErrSpec: %v", err)
			}
			return
		}
		if !json.Valid(config) && config != nil {
			t.Fatal("accepts what is not JSON")
		}
		img, err := s.FromRGB(noise(24, 24, 3), 24, 24)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Fill(make([]float32, 3*24*24), img); err != nil {
			t.Fatalf("an image of the model's size: %v", err)
		}
	})
}
