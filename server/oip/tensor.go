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
	output wanted
}

// tensor holds the numbers of an FP32 tensor or the elements of a BYTES one, row
// by row.
type tensor struct {
	name, datatype string
	shape          shape
	floats         []float32
	elements       [][]byte
}

// wanted is an output as a request asks for it.
type wanted struct {
	name    string
	classes int  // 0: the tensor itself; above: so many of its best labels
	binary  bool // after the JSON, in REST
}

func invalid(format string, args ...any) error {
	return runtime.Errorf(runtime.Invalid, format, args...)
}

// datatypes of the protocol.
var datatypes = []string{"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES", "BF16"}

// checkInput tells whether a tensor is one that models read, by what is declared
// of it, before its data is looked at; and how many elements it must have.
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
		return 0, runtime.Errorf(runtime.TooLarge, "%d rows in one request, at most %d are allowed", dims[0], runtime.MaxRows)
	}
	return int(n), nil
}

// shape of a tensor.
type shape []int64

// UnmarshalJSON reads a shape of few dimensions; those of ours have no more than 4.
func (s *shape) UnmarshalJSON(raw []byte) error {
	if bytes.Count(raw, []byte(",")) > 16 {
		return errors.New("a shape of so many dimensions")
	}
	return json.Unmarshal(raw, (*[]int64)(s))
}

func (s shape) String() string {
	if len(s) > 8 {
		return fmt.Sprintf("of %d dimensions", len(s))
	}
	return fmt.Sprint([]int64(s))
}

// inputs turns an input that is in order into what the engine reads.
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

var (
	errOneInput       = invalid("give one input: %s or %s", InputPixels, InputImage)
	errOneOutput      = invalid("ask for one output: there is only %s", OutputLogits)
	errClassification = invalid("classification must be a number of labels from 1")
)

// check tells whether an output can be had.
func (w wanted) check() error {
	if w.name != OutputLogits {
		return invalid("there is no output %.100q, only %s", w.name, OutputLogits)
	}
	return nil
}

// tensor makes an output of what the engine answered.
func (w wanted) tensor(out runtime.Outputs) (tensor, error) {
	labels := len(out.Labels)
	if len(out.Logits) != out.Rows*labels {
		return tensor{}, fmt.Errorf("server: variant %s@%s: %d logits for %d rows of %d labels", out.Variant, out.Digest, len(out.Logits), out.Rows, labels)
	}
	if w.classes == 0 {
		return tensor{name: w.name, datatype: FP32, shape: shape{int64(out.Rows), int64(labels)}, floats: out.Logits}, nil
	}
	k := min(w.classes, labels)
	t := tensor{name: w.name, datatype: Bytes, shape: shape{int64(out.Rows), int64(k)}}
	for i := range out.Rows {
		t.elements = append(t.elements, best(out.Logits[i*labels:(i+1)*labels], out.Labels, k)...)
	}
	return t, nil
}

// best writes the k highest logits, best first, as "score:index:label".
func best(logits []float32, labels []string, k int) [][]byte {
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	out := make([][]byte, k)
	for i, at := range order[:k] {
		text := strconv.AppendFloat(nil, float64(logits[at]), 'f', 6, 32)
		text = append(strconv.AppendInt(append(text, ':'), int64(at), 10), ':')
		out[i] = append(text, labels[at]...)
	}
	return out
}
