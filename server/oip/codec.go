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

// wireFields is how many fields a message may have, those of its parts and the
// numbers of packed lists counted in. A request has a few dozen, and a raw tensor
// is one; an empty message takes 2 bytes on the wire and a hundred in memory.
const wireFields = 1 << 14

var errWireFields = errors.New("the message has more parts than any request needs")

// frugalCodec reads messages after a look at what they would take in memory.
type frugalCodec struct{}

var protoCodec = encoding.GetCodecV2(grpcproto.Name)

// Name is that of the format.
func (frugalCodec) Name() string { return grpcproto.Name }

// Marshal writes a message.
func (frugalCodec) Marshal(v any) (mem.BufferSlice, error) { return protoCodec.Marshal(v) }

// Unmarshal reads a message of not too many fields.
func (frugalCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return protoCodec.Unmarshal(data, v)
	}
	raw := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer raw.Free()
	left := wireFields
	if err := countFields(raw.ReadOnlyData(), m.ProtoReflect().Descriptor(), &left); err != nil {
		return err
	}
	return proto.Unmarshal(raw.ReadOnlyData(), m)
}

// countFields takes the fields of a message from those that are left.
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
			return errWireFields
		}
		if field := d.Fields().ByNumber(number); field != nil && kind == protowire.BytesType {
			if err := countInside(raw[:n], field, left); err != nil {
				return err
			}
		}
		raw = raw[n:]
	}
	return nil
}

// countInside counts what lies in a field that has a length. Numbers of a fixed
// size take no more memory than bytes on the wire.
func countInside(raw []byte, field protoreflect.FieldDescriptor, left *int) error {
	inner, n := protowire.ConsumeBytes(raw)
	if n < 0 {
		return protowire.ParseError(n)
	}
	switch field.Kind() {
	case protoreflect.MessageKind:
		return countFields(inner, field.Message(), left)
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		return nil
	}
	if *left -= len(inner); *left < 0 { // packed
		return errWireFields
	}
	return nil
}
