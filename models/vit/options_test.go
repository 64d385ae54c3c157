package vit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"eigenserve/models/vit"
)

func TestParseOptions(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		holds  func(vit.Options) bool
	}{
		"missing fields are those of ViT-B/16": {`{}`, func(o vit.Options) bool {
			return o.Hidden == 768 && o.Layers == 12 && o.Heads == 12 && o.MLP == 3072 && o.Channels == 3 &&
				o.Image == vit.Size{Height: 224, Width: 224} && o.Patch == vit.Size{Height: 16, Width: 16} &&
				o.Eps == 1e-12 && o.QKVBias
		}},
		"missing labels are two": {`{}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"LABEL_0", "LABEL_1"})
		}},
		"labels are ordered by number, not by text": {
			`{"id2label":{"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}}`,
			func(o vit.Options) bool { return strings.Join(o.Labels, "") == "abcdefghijk" }},
		"height comes first": {`{"image_size":[64,32],"patch_size":[8,16]}`, func(o vit.Options) bool {
			return o.Image == vit.Size{Height: 64, Width: 32} && o.Patch == vit.Size{Height: 8, Width: 16}
		}},
		"no qkv bias": {`{"qkv_bias":false}`, func(o vit.Options) bool { return !o.QKVBias }},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := vit.ParseOptions([]byte(c.config))
			if err != nil {
				t.Fatal(err)
			}
			if !c.holds(o) {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestParseOptionsRejects(t *testing.T) {
	for name, c := range map[string]struct{ config, says string }{
		"not JSON":                     {`{`, "unexpected end"},
		"a list":                       {`[]`, "array"},
		"a fraction":                   {`{"hidden_size":64.5}`, "hidden_size"},
		"a string for a number":        {`{"hidden_size":"64"}`, "hidden_size"},
		"zero layers":                  {`{"num_hidden_layers":0}`, "num_hidden_layers 0"},
		"negative heads":               {`{"num_attention_heads":-4}`, "num_attention_heads -4"},
		"huge hidden size":             {`{"hidden_size":1152921504606846976}`, "hidden_size"},
		"larger than an integer":       {`{"intermediate_size":1e30}`, "intermediate_size"},
		"all errors at once":           {`{"num_channels":0,"num_hidden_layers":0}`, "num_channels"},
		"heads do not divide":          {`{"num_attention_heads":7}`, "multiple of num_attention_heads 7"},
		"patch does not divide":        {`{"patch_size":15}`, "15×15"},
		"patch above image":            {`{"image_size":8}`, "8×8"},
		"three sides":                  {`{"image_size":[1,2,3]}`, "neither a number nor"},
		"size as text":                 {`{"image_size":"224"}`, "neither a number nor"},
		"a side of zero":               {`{"image_size":[0,16]}`, "image_size height 0"},
		"too many tokens":              {`{"image_size":4096,"patch_size":1}`, "tokens"},
		"eps zero":                     {`{"layer_norm_eps":0}`, "layer_norm_eps"},
		"eps negative":                 {`{"layer_norm_eps":-1e-6}`, "layer_norm_eps"},
		"unknown activation":           {`{"hidden_act":"mish"}`, `"mish"`},
		"a gap in the labels":          {`{"id2label":{"0":"a","2":"c"}}`, "id 1"},
		"labels from one":              {`{"id2label":{"1":"a","2":"b"}}`, "id 0"},
		"an id that is not a number":   {`{"id2label":{"0":"a","x":"b"}}`, "id 1"},
		"a label that is not a string": {`{"id2label":{"0":5}}`, "id2label"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vit.ParseOptions([]byte(c.config))
			if !errors.Is(err, vit.ErrConfig) {
				t.Fatalf("error %v, want ErrConfig", err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
		})
	}
}

func TestArchitectureDistinguishesModels(t *testing.T) {
	base := open(t, zooConfig).Architecture()
	if got := open(t, withLabels(zooConfig, 7)).Architecture(); got != base {
		t.Errorf("labels change the architecture: %q, %q", base, got)
	}
	for _, change := range []string{
		`"layer_norm_eps":1e-6,`, `"hidden_act":"relu",`, `"qkv_bias":false,`, `"num_channels":1,`,
	} {
		if got := open(t, strings.Replace(zooConfig, "{", "{"+change, 1)).Architecture(); got == base {
			t.Errorf("%s does not change the architecture", change)
		}
	}
	heads := strings.Replace(zooConfig, `"num_attention_heads":4`, `"num_attention_heads":8`, 1)
	if got := open(t, heads).Architecture(); got == base {
		t.Error("heads do not change the architecture")
	}
}
