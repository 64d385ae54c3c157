package oip

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

// reference returns the reference to a model and version that a call names, or an error if
// the caller's token is not for it.
func reference(ctx context.Context, name, version string) (string, error) {
	if err := wire.CheckName("model", name); err != nil {
		return "", err
	}
	if err := callerOf(ctx).CheckModel(name); err != nil {
		return "", err
	}
	return wire.Reference(name, version)
}

// ModelInfer answers inputs by one variant.
func (g *GRPC) ModelInfer(ctx context.Context, q *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	ref, err := reference(ctx, q.ModelName, q.ModelVersion)
	if err != nil {
		return nil, err
	}
	p, err := parseMessage(q)
	if err != nil {
		return nil, err
	}
	out, err := g.api.Infer(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	_ = grpc.SetHeader(ctx, metadata.Pairs(wire.HeaderVariant, wire.VariantHeader(out.Variant, out.Digest),
		wire.HeaderBasis, out.Basis, wire.HeaderTiming, wire.ServerTiming(out.Timing)))
	return p.response(out)
}

// parseMessage reads the message of a request for an inference.
func parseMessage(q *inference.ModelInferRequest) (p *InferRequest, err error) {
	p = &InferRequest{id: q.Id, output: outputSpec{name: OutputLogits}}
	switch {
	case len(q.Inputs) != 1:
		return nil, errOneInput
	case len(q.Outputs) > 1:
		return nil, errOneOutput
	}
	if p.input, err = parseTensor(q.Inputs[0], q.RawInputContents); err != nil {
		return nil, err
	}
	// A client that sends raw tensors reads them, too.
	p.output.binary = len(q.RawInputContents) > 0
	if len(q.Outputs) == 1 {
		if q.Outputs[0].Parameters[sharedMemory] != nil {
			return nil, errSharedMemory
		}
		p.output.name = q.Outputs[0].Name
		if k, ok := q.Outputs[0].Parameters["classification"]; ok {
			if p.output.classes = int(min(k.GetInt64Param(), 1<<30)); p.output.classes < 1 {
				return nil, errClassification
			}
		}
	}
	return p, p.output.check()
}

// parseTensor reads an input, from its contents or from the raw contents of the message.
func parseTensor(in *inference.ModelInferRequest_InferInputTensor, raw [][]byte) (t tensor, err error) {
	if in.Parameters[sharedMemory] != nil {
		return t, errSharedMemory
	}
	n, err := checkInput(in.Name, in.Datatype, in.Shape)
	if err != nil {
		return t, err
	}
	t = tensor{name: in.Name, datatype: in.Datatype, shape: in.Shape}
	switch {
	case len(raw) > 1 || len(raw) == 1 && in.Contents != nil:
		return t, invalid("input %s: give its contents or one of raw_input_contents", t.name)
	case len(raw) == 1:
		return t, t.readBinary(raw[0], n)
	case t.datatype == FP32:
		t.floats = in.Contents.GetFp32Contents()
		return t, t.checkCount(len(t.floats), n)
	}
	t.elements = in.Contents.GetBytesContents()
	return t, t.checkCount(len(t.elements), n)
}

// response returns the answer to the request as a message.
func (p *InferRequest) response(out runtime.Outputs) (*inference.ModelInferResponse, error) {
	t, err := p.output.tensor(out)
	if err != nil {
		return nil, err
	}
	answer := &inference.ModelInferResponse{ModelName: out.Variant, ModelVersion: strconv.Itoa(out.Version), Id: p.id}
	o := &inference.ModelInferResponse_InferOutputTensor{Name: t.name, Datatype: t.datatype, Shape: t.shape}
	answer.Outputs = append(answer.Outputs, o)
	if p.output.binary {
		answer.RawOutputContents = [][]byte{t.appendBinary(nil)}
	} else {
		o.Contents = &inference.InferTensorContents{Fp32Contents: t.floats, BytesContents: t.elements}
	}
	return answer, nil
}
