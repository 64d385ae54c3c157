package models_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"eigenserve/models"
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
	if m.Tokens() != 197 {
		t.Errorf("%d tokens, want 197", m.Tokens())
	}
	if s := m.Pixels(); s.Channels != 3 || s.Height != 224 || s.Width != 224 {
		t.Errorf("images are %d×%d×%d, want 3×224×224", s.Channels, s.Height, s.Width)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		config, preprocessor string
		is                   error
		says                 string
	}{
		"an unknown architecture":     {`{"model_type":"bert"}`, `{}`, models.ErrArchitecture, `"bert" (known: vit)`},
		"no model type":               {`{}`, `{}`, models.ErrArchitecture, `"" (known: vit)`},
		"not JSON":                    {`vit`, `{}`, nil, "config.json"},
		"what its package refuses":    {`{"model_type":"vit","hidden_size":0}`, `{}`, vit.ErrConfig, "hidden_size 0"},
		"preprocessing it can't read": {`{"model_type":"vit"}`, `[`, nil, "preprocessing"},
		"channels no image has":       {`{"model_type":"vit","num_channels":4}`, `{}`, nil, "4 channels"},
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
