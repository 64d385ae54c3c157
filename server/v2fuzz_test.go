package server

import (
	"errors"
	gometrics "runtime/metrics"
	"strconv"
	"testing"

	"eigenserve/runtime"
)

// FuzzInferBody reads any body with any header. What is taken is of the shape that
// it says; what is refused is the caller's fault, and reading took memory in
// proportion to the body.
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
		before := allocated()
		q, err := parseInfer(body, jsonLength)
		if used, most := allocated()-before, uint64(1<<20+64*len(body)); used > most {
			t.Errorf("%d bytes were allocated for a body of %d", used, len(body))
		}
		if err != nil {
			var known *runtime.Error
			if !errors.As(err, &known) || known.Code != runtime.Invalid && known.Code != runtime.TooLarge {
				t.Errorf("%v", err)
			}
			return
		}
		checkRead(t, q)
	})
}

// checkRead holds a request that was read to its shape.
func checkRead(t *testing.T, q *call) {
	t.Helper()
	n := 1
	for _, d := range q.input.shape {
		n *= int(d)
	}
	if len(q.input.floats)+len(q.input.elements) != n || n == 0 || q.input.shape[0] > runtime.MaxRows || q.output.name != tensorLogits || q.output.classes < 0 {
		t.Errorf("%+v", q)
	}
	in := q.input.inputs()
	if (in.Images == nil) == (in.Pixels == nil) {
		t.Errorf("%+v", in)
	}
}

// allocated is how many bytes were allocated since the start. Other goroutines
// allocate meanwhile, a little.
func allocated() uint64 {
	bytes := []gometrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	gometrics.Read(bytes)
	return bytes[0].Value.Uint64()
}
