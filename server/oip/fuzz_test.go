package oip_test

import (
	"errors"
	"strconv"
	"testing"

	"eigenserve/runtime"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip"
	"eigenserve/server/oip/inference"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// FuzzInferBody reads any body with any header. An accepted request must match its shape,
// an error must be the caller's, and the memory must be in proportion to the body.
func FuzzInferBody(f *testing.F) {
	for _, body := range []string{
		twoPixels(`"data":[1,2,3,4]`), twoPixels(`"data":[[1,2],[[3],4e-1]]`), twoPixels(`"data":[1,-,3]`),
		`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["UE5H"]}],"outputs":[{"name":"logits","parameters":{"classification":3}}]}`,
		`{"inputs":[null,{}]}`, `{"inputs":[{}`, `{}`, ``, `[[[[`,
	} {
		f.Add([]byte(body), "")
		f.Add([]byte(body), "0")
	}
	for head, tail := range map[string]string{
		twoPixels(`"parameters":{"binary_data_size":16}`):                                                   floats(1, 2, 3, 4),
		`{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}]}`: element("PNG") + element(""),
		`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":4}}]}`:  "\xff\xff\xff\xff",
	} {
		f.Add([]byte(head+tail), strconv.Itoa(len(head)))
	}
	f.Fuzz(func(t *testing.T, body []byte, jsonLength string) {
		before := servertest.Allocated()
		q, err := oip.ParseInfer(body, jsonLength)
		if used, most := servertest.Allocated()-before, uint64(1<<20+64*len(body)); used > most {
			t.Errorf("%d bytes were allocated for a body of %d", used, len(body))
		}
		if err != nil {
			var known *runtime.Error
			if !errors.As(err, &known) || known.Code != runtime.Invalid && known.Code != runtime.TooLarge {
				t.Errorf("%v", err)
			}
			return
		}
		oip.CheckRequest(t, q)
	})
}

// FuzzGRPCMessage reads any bytes as a request over gRPC.
func FuzzGRPCMessage(f *testing.F) {
	q := pixelsMessage()
	q.RawInputContents = [][]byte{[]byte(floats(1, 2, 3, 4))}
	raw, err := proto.Marshal(q)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(protowire.AppendTag(nil, 5, protowire.BytesType))
	f.Add(protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), protowire.AppendVarint(nil, 1<<63)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		q := &inference.ModelInferRequest{}
		before := servertest.Allocated()
		defer func() {
			// A field of two bytes may become a message; the number of fields is limited.
			if used, most := servertest.Allocated()-before, uint64(4<<20+64*len(raw)); used > most {
				t.Errorf("%d bytes were allocated for a message of %d", used, len(raw))
			}
		}()
		if p, err := oip.ReadMessage(raw, q); err == nil {
			oip.CheckRequest(t, p)
		}
	})
}
