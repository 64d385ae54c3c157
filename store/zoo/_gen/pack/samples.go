package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"unicode"
	"unicode/utf8"

	"eigenserve/store/tensorfile"
)

// samples returns the first images of n different labels in a checkpoint's eval.safetensors,
// as PNG files by label. It uses only labels of one letter or digit, which are valid file
// names everywhere.
func samples(checkpoint string, labels []string, n int) (map[string][]byte, error) {
	file, err := tensorfile.Open(filepath.Join(checkpoint, "eval.safetensors"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	images, ok := file.Tensor("images")
	if !ok || images.DType != "U8" || len(images.Shape) != 4 || images.Shape[3] != 3 {
		return nil, fmt.Errorf("eval.safetensors: images are missing or not U8 [n,height,width,3]")
	}
	answers, ok := file.Tensor("labels")
	if !ok || answers.Len() != images.Shape[0] {
		return nil, fmt.Errorf("eval.safetensors: labels are missing or do not match the images")
	}
	classes := make([]int, answers.Len())
	if err := answers.Ints(classes); err != nil {
		return nil, err
	}
	height, width := images.Shape[1], images.Shape[2]
	size := height * width * 3
	found := map[string][]byte{}
	for i, class := range classes {
		if class < 0 || class >= len(labels) {
			return nil, fmt.Errorf("eval.safetensors: label %d of image %d is not below %d", class, i, len(labels))
		}
		label := labels[class]
		if len(found) == n || found[label] != nil || !isFileName(label) {
			continue
		}
		if found[label], err = smallest(images.Data[i*size:][:size], height, width); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// isFileName reports whether a label is one letter or digit.
func isFileName(label string) bool {
	r, n := utf8.DecodeRuneInString(label)
	return n == len(label) && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// smallest returns the smallest PNG of RGB pixels (height, width, 3) among those in grey, with
// a palette and in full colour.
func smallest(rgb []byte, height, width int) ([]byte, error) {
	bounds := image.Rect(0, 0, width, height)
	full := image.NewNRGBA(bounds)
	grey := image.NewGray(bounds)
	palette := image.NewPaletted(bounds, nil)
	index := map[color.NRGBA]int{}
	isGrey := true
	for i := range height * width {
		c := color.NRGBA{rgb[3*i], rgb[3*i+1], rgb[3*i+2], 255}
		isGrey = isGrey && c.R == c.G && c.G == c.B
		k, ok := index[c]
		if !ok {
			k = len(index)
			index[c] = k
			palette.Palette = append(palette.Palette, c)
		}
		full.SetNRGBA(i%width, i/width, c)
		grey.Pix[i], palette.Pix[i] = c.G, byte(k)
	}
	forms := []image.Image{full}
	if isGrey {
		forms = append(forms, grey)
	}
	if len(index) <= 256 {
		forms = append(forms, palette)
	}
	var best []byte
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	for _, form := range forms {
		var b bytes.Buffer
		if err := encoder.Encode(&b, form); err != nil {
			return nil, err
		}
		if best == nil || b.Len() < len(best) {
			best = b.Bytes()
		}
	}
	return best, nil
}
