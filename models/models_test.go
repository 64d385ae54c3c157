package models_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"eigenserve/models"
	"eigenserve/models/input"
	"eigenserve/models/nn"
	"eigenserve/models/vit"
)

func TestOpenChoosesByModelType(t *testing.T) {
	m, err := models.Open([]byte(`{"model_type":"vit","id2label":{"0":"cat","1":"dog","2":"eel"}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.(*vit.Model); !ok {
		t.Errorf("vit opens as %T", m)
	}
	if got, want := m.Labels(), []string{"cat", "dog", "eel"}; !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
	if got := m.Rows(models.Input{}); got != 197 {
		t.Errorf("%d rows, want 197", got)
	}
	s := m.Input()
	if s.Kind != input.Image || s.Image.Channels != 3 || s.Image.Height != 224 || s.Image.Width != 224 || s.Image.Len() != 3*224*224 {
		t.Errorf("reads %+v, want an image of 3×224×224", s)
	}
}

func TestOpenRejects(t *testing.T) {
	for name, c := range map[string]struct {
		config, preprocessor string
		is                   error
		says                 string
	}{
		"an unknown architecture":       {`{"model_type":"bert"}`, `{}`, models.ErrArchitecture, `"bert" (known: vit)`},
		"no model type":                 {`{}`, `{}`, models.ErrArchitecture, `"" (known: vit)`},
		"not JSON":                      {`vit`, `{}`, nil, "config.json"},
		"what the architecture rejects": {`{"model_type":"vit","hidden_size":0}`, `{}`, vit.ErrConfig, "hidden_size 0"},
		"invalid preprocessing":         {`{"model_type":"vit"}`, `[`, nil, "preprocessor_config.json"},
		"channels that no image has":    {`{"model_type":"vit","num_channels":4}`, `{}`, nil, "4 channels"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := models.Open([]byte(c.config), []byte(c.preprocessor))
			if err == nil || m != nil {
				t.Fatalf("opens as %v, %v", m, err)
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
		})
	}
}

func TestImagesAndSpans(t *testing.T) {
	m, err := models.Open([]byte(`{"model_type":"vit","image_size":4,"patch_size":2}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]float32, 2*3*4*4)
	pixels[3*4*4] = 1
	images := models.Images(m, pixels)
	if len(images) != 2 || len(images[1].Pixels) != 3*4*4 || images[1].Pixels[0] != 1 {
		t.Errorf("images %v", images)
	}
	if got, want := models.Spans(m, images), nn.Spans(2, 5); !slices.Equal(got, want) {
		t.Errorf("spans %v, want %v", got, want)
	}
}
