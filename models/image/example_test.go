package image_test

import (
	"bytes"
	"fmt"
	stdimage "image"
	"image/color"
	"image/png"
	"log"

	"eigenserve/models/image"
)

// A model's preprocessor_config.json says how its images are prepared.
func Example() {
	config := []byte(`{"size":{"height":2,"width":2},"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}`)
	spec, err := image.ParseSpec(config, 3, 2, 2)
	if err != nil {
		log.Fatal(err)
	}

	picture := stdimage.NewNRGBA(stdimage.Rect(0, 0, 6, 4))
	for i := range 24 {
		picture.Set(i%6, i/6, color.NRGBA{R: 255, A: 255}) // red
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		log.Fatal(err)
	}

	img, err := spec.Decode(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	pixels := make([]float32, spec.Len())
	if err := spec.Fill(pixels, img); err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Height, img.Width, pixels)
	// Output: 4 6 [1 1 1 1 -1 -1 -1 -1 -1 -1 -1 -1]
}
