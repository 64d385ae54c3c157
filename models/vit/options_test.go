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
		"null for labels": {`{"id2label":null,"num_labels":null}`, func(o vit.Options) bool { return len(o.Labels) == 2 }},
		"a number of labels": {`{"num_labels":3}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"LABEL_0", "LABEL_1", "LABEL_2"})
		}},
		"a number of labels and as many labels": {`{"num_labels":2,"id2label":{"0":"a","1":"b"}}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"a", "b"})
		}},
		"another number of labels wins": {`{"num_labels":1,"id2label":{"0":"a","1":"b"}}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"LABEL_0"})
		}},
		"numbers for labels": {`{"id2label":{"0":0,"1":-1,"2":12345678901234567890,"3":1.0,"4":1.50,"5":1e20,"6":0.00001,"7":1e5}}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"0", "-1", "12345678901234567890", "1.0", "1.5", "1e+20", "1e-05", "100000.0"})
		}},
		"booleans for labels": {`{"id2label":{"0":false,"1":true}}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"False", "True"})
		}},
		"ids as Python reads them": {`{"id2label":{" 0":"a","+1":"b","02":"c"}}`, func(o vit.Options) bool {
			return slices.Equal(o.Labels, []string{"a", "b", "c"})
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
		"not JSON":                   {`{`, "unexpected end"},
		"a list":                     {`[]`, "it is a list, not an object"},
		"a fraction":                 {`{"hidden_size":64.5}`, "hidden_size is 64.5, not a whole number"},
		"a string for a number":      {`{"hidden_size":"64"}`, "hidden_size is text, not a whole number"},
		"zero layers":                {`{"num_hidden_layers":0}`, "num_hidden_layers 0"},
		"negative heads":             {`{"num_attention_heads":-4}`, "num_attention_heads -4"},
		"huge hidden size":           {`{"hidden_size":1152921504606846976}`, "hidden_size"},
		"larger than an integer":     {`{"intermediate_size":1e30}`, "intermediate_size"},
		"all errors at once":         {`{"num_channels":0,"num_hidden_layers":0}`, "num_channels"},
		"heads do not divide":        {`{"num_attention_heads":7}`, "multiple of num_attention_heads 7"},
		"patch does not divide":      {`{"patch_size":15}`, "15×15"},
		"patch above image":          {`{"image_size":8}`, "8×8"},
		"three sides":                {`{"image_size":[1,2,3]}`, "neither a whole number nor"},
		"size as text":               {`{"image_size":"224"}`, "neither a whole number nor"},
		"a side of zero":             {`{"image_size":[0,16]}`, "image_size height 0"},
		"too many tokens":            {`{"image_size":4096,"patch_size":1}`, "tokens"},
		"eps zero":                   {`{"layer_norm_eps":0}`, "layer_norm_eps"},
		"eps negative":               {`{"layer_norm_eps":-1e-6}`, "layer_norm_eps"},
		"unknown activation":         {`{"hidden_act":"mish"}`, `"mish"`},
		"a gap in the labels":        {`{"id2label":{"0":"a","2":"c"}}`, "id 1"},
		"labels from one":            {`{"id2label":{"1":"a","2":"b"}}`, "id 0"},
		"an id that is not a number": {`{"id2label":{"0":"a","x":"b"}}`, `the id "x"`},
		"a label that is a list":     {`{"id2label":{"0":["a"]}}`, `id2label holds ["a"]`},
		"a label that is null":       {`{"id2label":{"0":null}}`, "id2label holds null"},
		"a list of labels":           {`{"id2label":["a","b"]}`, "id2label is a list, not an object"},
		"no labels by number":        {`{"num_labels":0}`, "num_labels 0"},
		"half a label":               {`{"num_labels":2.5}`, "num_labels is 2.5, not a whole number"},
		"too many labels":            {`{"num_labels":1e9}`, "num_labels is 1e9, not a whole number"},
		"far too many labels":        {`{"num_labels":1000000000}`, "num_labels 1000000000 is not in"},
		"a size in a list":           {`{"image_size":[224]}`, "image_size [224] is neither"},
		"a fraction for a size":      {`{"image_size":224.0}`, "image_size 224.0 is neither"},
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

func TestCheckLabels(t *testing.T) {
	for config, want := range map[string]string{
		`{"model_type":"vit"}`:             "config.json lists no labels, but the head has 3 outputs: list them in id2label, or set num_labels to 3",
		`{"id2label":{}}`:                  "config.json lists no labels, but the head has 3 outputs: list them in id2label, or set num_labels to 3",
		`{"label2id":{"a":0,"b":1,"c":2}}`: "config.json lists no labels, but the head has 3 outputs: list them in id2label, or set num_labels to 3",
		`{"num_labels":4}`:                 "num_labels in config.json is 4, but the head has 3 outputs: set it to 3, or list the labels in id2label instead",
		`{"num_labels":2,"id2label":{"0":"a","1":"b","2":"c"}}`: "num_labels in config.json is 2, but the head has 3 outputs: set it to 3, or list the labels in id2label instead",
		`{"id2label":{"0":"a","1":"b"}}`:                        "id2label in config.json lists 2 labels, but the head has 3 outputs: list one for each",
		`{"id2label":{"0":"a","1":"b","2":"c"}}`:                "",
		`{"num_labels":3}`:                                      "",
		`{"num_labels":3,"id2label":{"0":"a","1":"b"}}`:         "",
	} {
		m, err := vit.New([]byte(config), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := m.CheckLabels(3); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}
