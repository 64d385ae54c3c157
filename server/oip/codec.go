package oip

import (
	"errors"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxFields is how many fields a message may have, including those of nested messages and
// the numbers of packed lists. A request has a few dozen, and a raw tensor is one; but an
// empty nested message takes 2 bytes when it is sent and a hundred in memory.
const maxFields = 1 << 14

var errTooManyFields = errors.New("the message has more fields than any request needs")

// boundedCodec is the protobuf codec, except that it counts the fields of a message before
// it takes memory for them.
type boundedCodec struct{}

var protoCodec = encoding.GetCodecV2(grpcproto.Name)

// Name returns the name of the format.
func (boundedCodec) Name() string { return grpcproto.Name }

// Marshal writes a message.
func (boundedCodec) Marshal(v any) (mem.BufferSlice, error) { return protoCodec.Marshal(v) }

// Unmarshal reads a message of at most maxFields fields.
func (boundedCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return protoCodec.Unmarshal(data, v)
	}
	raw := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer raw.Free()
	return unmarshalBounded(raw.ReadOnlyData(), m)
}

func unmarshalBounded(raw []byte, m proto.Message) error {
	left := maxFields
	if err := countFields(raw, m.ProtoReflect().Descriptor(), &left); err != nil {
		return err
	}
	return proto.Unmarshal(raw, m)
}

// countFields subtracts the fields of a message from left.
func countFields(raw []byte, d protoreflect.MessageDescriptor, left *int) error {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		n = protowire.ConsumeFieldValue(number, kind, raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if *left--; *left < 0 {
			return errTooManyFields
		}
		if field := d.Fields().ByNumber(number); field != nil && kind == protowire.BytesType {
			if err := countNested(raw[:n], field, left); err != nil {
				return err
			}
		}
		raw = raw[n:]
	}
	return nil
}

// countNested subtracts what a field with a length contains from left: the fields of a
// message or the numbers of a packed list. Numbers of a fixed size take no more memory
// than they take when they are sent.
func countNested(raw []byte, field protoreflect.FieldDescriptor, left *int) error {
	content, n := protowire.ConsumeBytes(raw)
	if n < 0 {
		return protowire.ParseError(n)
	}
	switch field.Kind() {
	case protoreflect.MessageKind:
		return countFields(content, field.Message(), left)
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		return nil
	}
	if *left -= len(content); *left < 0 { // a packed list
		return errTooManyFields
	}
	return nil
}
