package oip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"eigenserve/runtime"
)

// InferRequest is a request for an inference, however it came.
type InferRequest struct {
	id     string
	input  tensor
	output outputSpec
}

// tensor is an input or an output. It has floats if its datatype is FP32, elements if it
// is BYTES, in row-major order.
type tensor struct {
	name, datatype string
	shape          shape
	floats         []float32
	elements       [][]byte
}

// outputSpec is the output that a request asks for.
type outputSpec struct {
	name    string
	classes int  // 0: the tensor itself; otherwise so many of its best labels
	binary  bool // as raw bytes: after the JSON of REST, in raw_output_contents of gRPC
}

func invalid(format string, args ...any) error {
	return runtime.Errorf(runtime.Invalid, format, args...)
}

var (
	errOneInput       = invalid("give one input: %s or %s", InputPixels, InputImage)
	errOneOutput      = invalid("ask for one output: there is only %s", OutputLogits)
	errClassification = invalid("classification must be a number of labels from 1")
)

// datatypes are the datatypes of the protocol.
var datatypes = []string{"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES", "BF16"}

// checkInput returns how many elements an input must have, by what is declared of it, or
// an error if it is none that models read.
func checkInput(name, datatype string, dims shape) (elements int, err error) {
	if !slices.Contains(datatypes, datatype) {
		return 0, invalid("input %.100q: there is no datatype %.40q", name, datatype)
	}
	rank, need := 0, ""
	switch name {
	case InputPixels:
		rank, need = 4, FP32
	case InputImage:
		rank, need = 1, Bytes
	default:
		return 0, invalid("there is no input %.100q: give %s (FP32, [rows, channels, height, width]) or %s (BYTES, [rows])", name, InputPixels, InputImage)
	}
	if datatype != need {
		return 0, invalid("input %s has datatype %s, it must be %s", name, datatype, need)
	}
	if len(dims) != rank {
		return 0, invalid("input %s has shape %v, it must have %d dimensions", name, dims, rank)
	}
	n := int64(1)
	for _, d := range dims {
		if d < 1 || n > math.MaxInt32/d {
			return 0, invalid("input %s can't have shape %v", name, dims)
		}
		n *= d
	}
	if dims[0] > runtime.MaxRows {
		return 0, runtime.Errorf(runtime.TooLarge, "the request has %d rows, the limit is %d", dims[0], runtime.MaxRows)
	}
	return int(n), nil
}

// checkCount returns an error if the tensor has another number of elements than n.
func (t *tensor) checkCount(has, n int) error {
	if has != n {
		return invalid("input %s of shape %v: the number of elements must be %d, not %d", t.name, t.shape, n, has)
	}
	return nil
}

// inputs returns a valid input in the form that the engine reads.
func (t tensor) inputs() (in runtime.Inputs) {
	if t.name == InputImage {
		in.Images = t.elements
		return in
	}
	in.Pixels = t.floats
	for i := range in.Shape {
		in.Shape[i] = int(t.shape[i+1])
	}
	return in
}

// check returns an error if there is no such output.
func (o outputSpec) check() error {
	if o.name != OutputLogits {
		return invalid("there is no output %.100q, only %s", o.name, OutputLogits)
	}
	return nil
}

// tensor returns the output that the engine's answer has for the request.
func (o outputSpec) tensor(out runtime.Outputs) (tensor, error) {
	labels := len(out.Labels)
	if len(out.Logits) != out.Rows*labels {
		return tensor{}, fmt.Errorf("server: variant %s@%s: %d logits for %d rows of %d labels", out.Variant, out.Digest, len(out.Logits), out.Rows, labels)
	}
	if o.classes == 0 {
		return tensor{name: o.name, datatype: FP32, shape: shape{int64(out.Rows), int64(labels)}, floats: out.Logits}, nil
	}
	k := min(o.classes, labels)
	t := tensor{name: o.name, datatype: Bytes, shape: shape{int64(out.Rows), int64(k)}}
	for i := range out.Rows {
		logits := out.Logits[i*labels : (i+1)*labels]
		for _, j := range runtime.Top(logits, k) {
			t.elements = append(t.elements, classification(logits[j], j, out.Labels[j]))
		}
	}
	return t, nil
}

// classification returns an element of the classification extension:
// "score:index:label".
func classification(score float32, index int, label string) []byte {
	text := strconv.AppendFloat(nil, float64(score), 'f', 6, 32)
	text = append(strconv.AppendInt(append(text, ':'), int64(index), 10), ':')
	return append(text, label...)
}

// shape is the shape of a tensor.
type shape []int64

// maxDimensions bounds what is read of a shape. Those of the inputs have at most 4.
const maxDimensions = 17

// UnmarshalJSON reads a shape of a few dimensions.
func (s *shape) UnmarshalJSON(raw []byte) error {
	if bytes.Count(raw, []byte(",")) >= maxDimensions {
		return errors.New("the shape has too many dimensions")
	}
	return json.Unmarshal(raw, (*[]int64)(s))
}

// String returns the shape as text, shortened if it is long.
func (s shape) String() string {
	if len(s) > 8 {
		return fmt.Sprintf("of %d dimensions", len(s))
	}
	return fmt.Sprint([]int64(s))
}
