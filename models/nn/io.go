package nn

// Input is one input as a model reads it. A model reads one of the fields.
type Input struct {
	Pixels []float32 // (channels, height, width), resized and normalised
	Tokens []int32   // ids in the vocabulary of the model
}

// Output is what a model answers for one input. A model sets the fields that its task
// asks for and leaves the others nil.
type Output struct {
	Logits    []float32 // one for each label
	Embedding []float32
}
