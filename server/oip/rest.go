package oip

import (
	"encoding/json"
	"strconv"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// HeaderJSONLength is the header that says how many bytes of a body are JSON, if binary
// tensors follow it.
const HeaderJSONLength = "Inference-Header-Content-Length"

// restRequest is the JSON of a request. A request has one input and one output. The second
// element shows that more were sent, however many there are, without taking memory for
// them.
type restRequest struct {
	ID         string `json:"id"`
	Parameters struct {
		BinaryOutput bool `json:"binary_data_output"`
	} `json:"parameters"`
	Inputs  [2]*restInput  `json:"inputs"`
	Outputs [2]*restOutput `json:"outputs"`
}

type restInput struct {
	Name       string `json:"name"`
	Datatype   string `json:"datatype"`
	Shape      shape  `json:"shape"`
	Parameters struct {
		BinarySize   *int64          `json:"binary_data_size"`
		SharedMemory json.RawMessage `json:"shared_memory_region"`
	} `json:"parameters"`
	Data json.RawMessage `json:"data"`
}

type restOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		Binary         *bool           `json:"binary_data"`
		Classification *int            `json:"classification"`
		SharedMemory   json.RawMessage `json:"shared_memory_region"`
	} `json:"parameters"`
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

// ParseInfer reads the body of a request for an inference. jsonLength is the value of
// HeaderJSONLength, "" if the request does not have it.
func ParseInfer(body []byte, jsonLength string) (q *InferRequest, err error) {
	text, binary, err := splitBody(body, jsonLength)
	if err != nil {
		return nil, err
	}
	if text == nil { // no JSON at all: one encoded image
		return imageRequest(binary), nil
	}
	var p restRequest
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, invalid(`the JSON does not have the form {"inputs":[{"name","shape","datatype","data"}]}: %s`, wire.JSONFault(err))
	}
	q = &InferRequest{id: p.ID, output: outputSpec{name: OutputLogits, binary: p.Parameters.BinaryOutput}}
	if p.Inputs[0] == nil || p.Inputs[1] != nil {
		return nil, errOneInput
	}
	if p.Outputs[1] != nil {
		return nil, errOneOutput
	}
	if q.input, binary, err = p.Inputs[0].tensor(binary); err != nil {
		return nil, err
	}
	if len(binary) > 0 {
		return nil, invalid("%d bytes follow the last binary tensor", len(binary))
	}
	if o := p.Outputs[0]; o != nil {
		if q.output, err = o.spec(q.output.binary); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// imageRequest returns a request for one encoded image.
func imageRequest(image []byte) *InferRequest {
	return &InferRequest{input: tensor{name: InputImage, datatype: Bytes, shape: shape{1}, elements: [][]byte{image}},
		output: outputSpec{name: OutputLogits}}
}

// splitBody divides a body into its JSON and the binary tensors. text is nil if the header
// says that there is no JSON.
func splitBody(body []byte, jsonLength string) (text, binary []byte, err error) {
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
		return nil, nil, invalid("%s is %d, but the body has %d bytes", HeaderJSONLength, n, len(body))
	case n == 0 && len(body) == 0:
		return nil, nil, invalid("the body is empty")
	case n == 0:
		return nil, body, nil
	}
	return body[:n:n], body[n:], nil
}

// spec returns what an output of the request asks for. binary applies if the output does not
// say whether it must be binary.
func (o restOutput) spec(binary bool) (spec outputSpec, err error) {
	spec = outputSpec{name: o.Name, binary: binary}
	if o.Parameters.SharedMemory != nil {
		return spec, errSharedMemory
	}
	if o.Parameters.Binary != nil {
		spec.binary = *o.Parameters.Binary
	}
	if k := o.Parameters.Classification; k != nil {
		if *k < 1 {
			return spec, errClassification
		}
		spec.classes = *k
	}
	return spec, spec.check()
}

// InferAnswer is the body of an answer: JSON, followed by the tensor if that is binary.
type InferAnswer struct {
	Body       []byte
	JSONLength int // if a binary tensor follows; 0: all of the body is JSON
}

// Answer returns the body of the answer to the request.
func (q *InferRequest) Answer(out runtime.Outputs) (a InferAnswer, err error) {
	t, err := q.output.tensor(out)
	if err != nil {
		return a, err
	}
	answer := InferResponse{Model: out.Variant, Version: strconv.Itoa(out.Version), ID: q.id,
		Outputs: []outputTensor{{Name: t.name, Datatype: t.datatype, Shape: t.shape}}}
	if !q.output.binary {
		answer.Outputs[0].Data = t.data()
		a.Body, err = wire.MarshalJSON(answer)
		return a, err
	}
	binary := t.appendBinary(nil)
	answer.Outputs[0].Parameters = &outputSize{len(binary)}
	text, err := wire.MarshalJSON(answer)
	if err != nil {
		return a, err
	}
	return InferAnswer{append(text, binary...), len(text)}, nil
}

// data returns the elements of a tensor for JSON, as a flat list.
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
