package models_test

import (
	"fmt"
	"log"

	"eigenserve/models"
	"eigenserve/models/nn"
)

// A model is opened from a checkpoint's configuration. Its weights come with each pass.
func Example() {
	model, err := models.Open([]byte(`{
		"model_type": "vit", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
		"intermediate_size": 64, "image_size": 8, "patch_size": 4,
		"id2label": {"0": "cat", "1": "dog", "2": "eel"}
	}`), nil)
	if err != nil {
		log.Fatal(err)
	}

	// Weights as they would be read from a checkpoint, here all 0.1.
	plan := model.Plan()
	slab := make([]float32, plan.SlabLen())
	fill := func(name string, dst []float32) error {
		for i := range dst {
			dst[i] = 0.1
		}
		return nil
	}
	if err := plan.Load(slab, fill); err != nil {
		log.Fatal(err)
	}
	weights := plan.Bind(slab)
	err = plan.BindPrivate(&weights, func(name string) ([]float32, []int, error) {
		if name == "classifier.bias" {
			return []float32{1, 2, 3}, []int{3}, nil
		}
		return make([]float32, 3*32), []int{3, 32}, nil
	})
	if err != nil {
		log.Fatal(err)
	}

	// Two images in one pass of one variant.
	images := models.Images(model, make([]float32, 2*model.Input().Image.Len()))
	var pass nn.Pass
	pass.Begin(nn.Group{Spans: models.Spans(model, images), Weights: &weights})
	outputs, err := model.Forward(&pass, images)
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range outputs {
		fmt.Println(model.Labels(), o.Logits)
	}
	// Output:
	// [cat dog eel] [1 2 3]
	// [cat dog eel] [1 2 3]
}
