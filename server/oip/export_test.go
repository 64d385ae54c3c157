package oip

import (
	"testing"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

const (
	MaxOpenMessage = maxOpenMessage
	MaxMetadata    = maxMetadata
)

var (
	Methods          = methods
	ErrTooManyFields = errTooManyFields
	ErrSlow          = errSlow
)

// ReadMessage reads a request over gRPC into q.
func ReadMessage(raw []byte, q *inference.ModelInferRequest) (*InferRequest, error) {
	if err := unmarshalBounded(raw, q); err != nil {
		return nil, err
	}
	return parseMessage(q)
}

// CheckRequest checks that the data of a request matches its shape.
func CheckRequest(t *testing.T, q *InferRequest) {
	t.Helper()
	n := 1
	for _, d := range q.input.shape {
		n *= int(d)
	}
	if len(q.input.floats)+len(q.input.elements) != n || n == 0 || q.input.shape[0] > runtime.MaxRows || q.output.name != OutputLogits || q.output.classes < 0 {
		t.Errorf("%+v", q)
	}
	in := q.input.inputs()
	if (in.Images == nil) == (in.Pixels == nil) {
		t.Errorf("%+v", in)
	}
}
