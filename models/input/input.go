// Package input describes what a model reads, in terms that architectures and those
// who prepare their inputs share. It prepares nothing itself: models/image does.
package input

import "eigenserve/models/image"

// Kind is a kind of input, by the Hugging Face Hub's name for the modality.
type Kind string

// Image is the kind of inputs that are images.
const Image Kind = "image"

// Spec describes what a model reads. Kind says which of the other fields is set.
type Spec struct {
	Kind  Kind
	Image image.Spec // how an image file becomes pixels
}

// Images returns the spec of a model that reads images.
func Images(s image.Spec) Spec { return Spec{Kind: Image, Image: s} }
