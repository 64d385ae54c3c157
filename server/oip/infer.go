package oip

import (
	"encoding/json"
	"strconv"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// HeaderJSONLength tells how many bytes of a body are JSON; binary tensors follow.
const HeaderJSONLength = "Inference-Header-Content-Length"

// inferRequest is the JSON of a request. There is one input and one output; a
// place for two shows that more were sent, however many, and what they take in
// memory stays in proportion to the request.
type inferRequest struct {
	ID         string          `json:"id"`
	Parameters inferParameters `json:"parameters"`
	Inputs     [2]*inferInput  `json:"inputs"`
	Outputs    [2]*inferOutput `json:"outputs"`
}

type inferParameters struct {
	BinaryOutput bool `json:"binary_data_output"`
}

type inferInput struct {
	Name       string          `json:"name"`
	Datatype   string          `json:"datatype"`
	Shape      shape           `json:"shape"`
	Parameters inputParameters `json:"parameters"`
	Data       json.RawMessage `json:"data"`
}

type inputParameters struct {
	BinarySize *int64 `json:"binary_data_size"`
}

type inferOutput struct {
	Name       string           `json:"name"`
	Parameters outputParameters `json:"parameters"`
}

type outputParameters struct {
	Binary         *bool `json:"binary_data"`
	Classification *int  `json:"classification"`
}

// InferResponse is the JSON of an answer.
type InferResponse struct {
	Model   string         `json:"model_name"`
	Version string         `json:"model_version"`
	ID      string         `json:"id,omitempty"`
	Outputs []outputTensor `json:"outputs"`
}

type outputTensor struct {
	Name       string      `json:"name"`
	Datatype   string      `json:"datatype"`
	Shape      shape       `json:"shape"`
	Parameters *outputSize `json:"parameters,omitempty"`
	Data       any         `json:"data,omitempty"`
}

type outputSize struct {
	BinarySize int `json:"binary_data_size"`
}

// ParseInfer reads a request's body.
func ParseInfer(body []byte, jsonLength string) (q *InferRequest, err error) {
	head, tail, err := splitBody(body, jsonLength)
	if err != nil {
		return nil, err
	}
	if head == nil { // no JSON at all: one encoded image
		return rawImage(tail), nil
	}
	var p inferRequest
	if err := json.Unmarshal(head, &p); err != nil {
		return nil, invalid(`the JSON is not of the form {"inputs":[{"name","shape","datatype","data"}]}: %s`, wire.JSONFault(err))
	}
	q = &InferRequest{id: p.ID, output: wanted{name: OutputLogits, binary: p.Parameters.BinaryOutput}}
	if p.Inputs[0] == nil || p.Inputs[1] != nil {
		return nil, errOneInput
	}
	if p.Outputs[1] != nil {
		return nil, errOneOutput
	}
	if q.input, tail, err = p.Inputs[0].tensor(tail); err != nil {
		return nil, err
	}
	if len(tail) > 0 {
		return nil, invalid("%d bytes follow the last binary tensor", len(tail))
	}
	if o := p.Outputs[0]; o != nil {
		if q.output, err = o.wanted(q.output); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// rawImage asks for one encoded image.
func rawImage(image []byte) *InferRequest {
	return &InferRequest{input: tensor{name: InputImage, datatype: Bytes, shape: shape{1}, elements: [][]byte{image}},
		output: wanted{name: OutputLogits}}
}

// splitBody divides a body into its JSON and the binary tensors. The JSON is nil
// where the header says that there is none.
func splitBody(body []byte, jsonLength string) (head, tail []byte, err error) {
	if jsonLength == "" {
		if len(body) == 0 {
			return nil, nil, invalid("the body is empty")
		}
		return body, nil, nil
	}
	n, err := strconv.ParseUint(jsonLength, 10, 63)
	switch {
	case err != nil:
		return nil, nil, invalid("%s must be a number of bytes", HeaderJSONLength)
	case n > uint64(len(body)):
		return nil, nil, invalid("%s is %d, the body has %d bytes", HeaderJSONLength, n, len(body))
	case n == 0 && len(body) == 0:
		return nil, nil, invalid("the body is empty")
	case n == 0:
		return nil, body, nil
	}
	return body[:n:n], body[n:], nil
}

// wanted is what a listed output asks for; missing holds where it says nothing.
func (o inferOutput) wanted(missing wanted) (w wanted, err error) {
	w = wanted{name: o.Name, binary: missing.binary}
	if o.Parameters.Binary != nil {
		w.binary = *o.Parameters.Binary
	}
	if k := o.Parameters.Classification; k != nil {
		if *k < 1 {
			return w, errClassification
		}
		w.classes = *k
	}
	return w, w.check()
}

// InferAnswer is the body of an answer: JSON, and behind it the tensor if it is
// binary.
type InferAnswer struct {
	Body       []byte
	JSONLength int // of a body with a binary tensor; 0: all of it is JSON
}

// Answer writes what the engine answered.
func (q *InferRequest) Answer(out runtime.Outputs) (a InferAnswer, err error) {
	t, err := q.output.tensor(out)
	if err != nil {
		return a, err
	}
	answer := InferResponse{Model: out.Variant, Version: strconv.Itoa(out.Version), ID: q.id,
		Outputs: []outputTensor{{Name: t.name, Datatype: t.datatype, Shape: t.shape}}}
	if !q.output.binary {
		answer.Outputs[0].Data = t.data()
		a.Body, err = json.Marshal(answer)
		return a, err
	}
	tail := t.appendBinary(nil)
	answer.Outputs[0].Parameters = &outputSize{len(tail)}
	head, err := json.Marshal(answer)
	if err != nil {
		return a, err
	}
	return InferAnswer{append(head, tail...), len(head)}, nil
}

// data is a tensor as JSON has it: flat.
func (t tensor) data() any {
	if t.datatype == FP32 {
		return t.floats
	}
	text := make([]string, len(t.elements))
	for i, e := range t.elements {
		text[i] = string(e)
	}
	return text
}
