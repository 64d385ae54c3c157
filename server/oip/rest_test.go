package oip_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"eigenserve/runtime"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip"
	"eigenserve/server/wire"
)

// floats returns FP32 numbers in binary.
func floats(v ...float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

// element returns an element of a BYTES tensor in binary.
func element(text string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// twoPixels returns a request for two rows of two values with the given data.
func twoPixels(data string) string {
	return fmt.Sprintf(`{"id":"x","inputs":[{"name":"pixel_values","datatype":"FP32","shape":[2,2,1,1],%s}]}`, data)
}

func TestInferenceProtocol(t *testing.T) {
	image := base64.StdEncoding.EncodeToString([]byte("PNG"))
	images := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"data":["` + image + `","` + image + `"]}]}`
	logits := `"outputs":[{"name":"logits","datatype":"FP32","shape":[2,2],"data":[1,2,3,4.5]}]`
	withOutput := func(output string) string {
		return strings.TrimSuffix(images, "}") + `,"outputs":[{"name":"logits","parameters":` + output + `}]}`
	}
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{name: "server", method: "GET", path: "/v2", status: 200, want: `{"name":"eigenserve","version":"devel","extensions":["binary_tensor_data","classification","model_configuration","model_repository","statistics","parameters"]}`},
		{name: "model", method: "GET", path: "/v2/models/sans-lao", status: 200, want: `{"name":"sans-lao","versions":["1","2"],"platform":"eigenserve",` +
			`"inputs":[{"name":"pixel_values","datatype":"FP32","shape":[-1,3,32,32]},{"name":"image","datatype":"BYTES","shape":[-1]}],"outputs":[{"name":"logits","datatype":"FP32","shape":[-1,3]}]}`},
		{name: "configuration", method: "GET", path: "/v2/models/sans-lao/config", status: 200, want: `{"name":"sans-lao","platform":"eigenserve","backend":"eigenserve","max_batch_size":1024,` +
			`"input":[{"name":"pixel_values","data_type":"TYPE_FP32","format":"FORMAT_NCHW","dims":[3,32,32],"optional":true},{"name":"image","data_type":"TYPE_STRING","format":"FORMAT_NONE","dims":[],"optional":true}],` +
			`"output":[{"name":"logits","data_type":"TYPE_FP32","dims":[3]}]}`},
		{name: "configuration of a version", method: "GET", path: "/v2/models/sans-lao/versions/1/config", status: 200, want: `"name":"sans-lao"`},
		{name: "configuration of nobody", method: "GET", path: "/v2/models/nobody/config", status: 404},
		{name: "shared memory", method: "GET", path: "/v2/systemsharedmemory/status", status: 200, want: `[]`},
		{name: "CUDA shared memory", method: "GET", path: "/v2/cudasharedmemory/status", status: 200, want: `[]`},
		{name: "unregister shared memory", method: "POST", path: "/v2/systemsharedmemory/unregister", status: 200, want: `{}`},
		{name: "unregister CUDA shared memory", method: "POST", path: "/v2/cudasharedmemory/unregister", status: 200, want: `{}`},
		{name: "model by version", method: "GET", path: "/v2/models/sans-lao/versions/1", status: 200, want: `"name":"sans-lao"`},
		{name: "unknown version", method: "GET", path: "/v2/models/sans-lao/versions/9", status: 404, want: `{"error":"`},
		{name: "unknown model", method: "GET", path: "/v2/models/nobody", status: 404, want: `{"error":"`},
		{name: "version in words", method: "GET", path: "/v2/models/sans-lao/versions/new", status: 400},
		{name: "ready", method: "GET", path: "/v2/models/sans-lao/ready", status: 200, want: `"ready":true`},
		{name: "version ready", method: "GET", path: "/v2/models/sans-lao/versions/1/ready", status: 200},
		{name: "unknown model ready", method: "GET", path: "/v2/models/nobody/ready", status: 404},
		{name: "infer with GET", method: "GET", path: "/v2/models/sans-lao/infer", status: 405, want: `{"error":"method not allowed; use POST"}`},

		{name: "flat pixels", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,2,3,4.5]`), status: 200,
			want: `{"model_name":"sans-lao","model_version":"2","id":"x",` + logits + `}`},
		{name: "nested pixels", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[ [[[1]],[[2]]],
			[[[3e0]], [[45E-1]]] ]`), status: 200, want: logits},
		{name: "by version", method: "POST", path: "/v2/models/sans-lao/versions/1/infer", body: twoPixels(`"data":[1,2,3,4.5]`), status: 200, want: `"model_version":"1"`},
		{name: "by alias", method: "POST", path: "/v2/models/current/infer", body: twoPixels(`"data":[1,2,3,4.5]`), status: 200, want: `"model_name":"sans-lao"`},
		{name: "images in base64", method: "POST", path: "/v2/models/sans-lao/infer", body: images, status: 200, want: `{"model_name":"sans-lao","model_version":"2","outputs":[{"name":"logits","datatype":"FP32","shape":[2,2],"data":[1,0.5,1,0.5]}]}`},
		{name: "classification", method: "POST", path: "/v2/models/sans-lao/infer", body: withOutput(`{"classification":1}`), status: 200,
			want: `{"name":"logits","datatype":"BYTES","shape":[2,1],"data":["1.000000:0:yes","1.000000:0:yes"]}`},
		{name: "classification of more than there are", method: "POST", path: "/v2/models/sans-lao/infer", body: withOutput(`{"classification":100}`), status: 200,
			want: `"shape":[2,2],"data":["1.000000:0:yes","0.500000:1:no:b","1.000000:0:yes","0.500000:1:no:b"]`},
		{name: "raw image", method: "POST", path: "/v2/models/sans-lao/infer", body: "PNG", headers: []string{oip.HeaderJSONLength, "0"}, status: 200,
			want: `"shape":[1,2],"data":[1,0.5]`},

		{name: "input in shared memory", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"parameters":{"shared_memory_region":"in","shared_memory_byte_size":16}`), status: 400, want: "shared memory"},
		{name: "output in shared memory", method: "POST", path: "/v2/models/sans-lao/infer", body: withOutput(`{"shared_memory_region":"out"}`), status: 400, want: "shared memory"},
		{name: "nothing", method: "POST", path: "/v2/models/sans-lao/infer", status: 400, want: "empty"},
		{name: "raw nothing", method: "POST", path: "/v2/models/sans-lao/infer", headers: []string{oip.HeaderJSONLength, "0"}, status: 400, want: "empty"},
		{name: "not JSON", method: "POST", path: "/v2/models/sans-lao/infer", body: "PNG", status: 400, want: "does not have the form"},
		{name: "JSON of another form", method: "POST", path: "/v2/models/sans-lao/infer", body: `{"inputs":{"name":"x"}}`, status: 400, want: "does not have the form"},
		{name: "no input", method: "POST", path: "/v2/models/sans-lao/infer", body: `{"inputs":[]}`, status: 400, want: "give one input"},
		{name: "two inputs", method: "POST", path: "/v2/models/sans-lao/infer", body: `{"inputs":[{"name":"image"},{"name":"pixel_values"}]}`, status: 400, want: "give one input"},
		{name: "a million inputs", method: "POST", path: "/v2/models/sans-lao/infer", body: `{"inputs":[{}` + strings.Repeat(",{}", 1<<20) + `]}`, status: 400, want: "give one input"},
		{name: "two outputs", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(withOutput("{}"), `"outputs":[`, `"outputs":[{"name":"logits"},`, 1), status: 400, want: "one output"},
		{name: "unknown input", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(images, `"image"`, `"picture"`, 1), status: 400, want: `no input \"picture\"`},
		{name: "unknown output", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(withOutput("{}"), `"logits"`, `"scores"`, 1), status: 400, want: `no output \"scores\"`},
		{name: "classification of none", method: "POST", path: "/v2/models/sans-lao/infer", body: withOutput(`{"classification":0}`), status: 400, want: "classification"},
		{name: "classification below none", method: "POST", path: "/v2/models/sans-lao/infer", body: withOutput(`{"classification":-1}`), status: 400, want: "classification"},
		{name: "another datatype", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(twoPixels(`"data":[1,2,3,4]`), "FP32", "UINT8", 1), status: 400, want: "it must be FP32"},
		{name: "no datatype", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(twoPixels(`"data":[1,2,3,4]`), "FP32", "float", 1), status: 400, want: "no datatype"},
		{name: "no data", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"x":1`), status: 400, want: "needs data"},
		{name: "null data", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":null`), status: 400, want: "needs data"},
		{name: "too little data", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,2,3]`), status: 400, want: "must be 4, not 3"},
		{name: "too much data", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,2,3,4,5]`), status: 400, want: "not 5"},
		{name: "data with words", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,"2",3,4]`), status: 400, want: "element 1 is not a number"},
		{name: "data with null", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,null,3,4]`), status: 400, want: "element 1 is not a number"},
		{name: "data out of range", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,1e39,3,4]`), status: 400, want: `element 1, \"1e39\", is not a valid FP32`},
		{name: "data of NaN", method: "POST", path: "/v2/models/sans-lao/infer", body: twoPixels(`"data":[1,NaN,3,4]`), status: 400},
		{name: "elements that are not base64", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.ReplaceAll(images, image, "\x7f!"), status: 400, want: "base64"},
		{name: "elements that are not strings", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.ReplaceAll(images, `"`+image+`"`, "1"), status: 400, want: "element 0"},
		{name: "too many elements", method: "POST", path: "/v2/models/sans-lao/infer", body: strings.Replace(images, `[2]`, `[1]`, 1), status: 400, want: "must be 1, not 2"},

		{name: "JSON length is not a number", method: "POST", path: "/v2/models/sans-lao/infer", body: images, headers: []string{oip.HeaderJSONLength, "-1"}, status: 400, want: oip.HeaderJSONLength},
		{name: "JSON length over the body", method: "POST", path: "/v2/models/sans-lao/infer", body: images, headers: []string{oip.HeaderJSONLength, "99999999999999999999"}, status: 400},
		{name: "JSON length just over the body", method: "POST", path: "/v2/models/sans-lao/infer", body: images, headers: []string{oip.HeaderJSONLength, strconv.Itoa(len(images) + 1)}, status: 400, want: "the body has"},
		{name: "bytes after the JSON", method: "POST", path: "/v2/models/sans-lao/infer", body: images + "x", headers: []string{oip.HeaderJSONLength, strconv.Itoa(len(images))}, status: 400, want: "1 bytes follow"},

		{name: "stats", method: "GET", path: "/v2/models/sans-lao/stats", status: 200, want: `{"model_stats":[{"name":"sans-lao","version":"2","last_inference":1740830400000,"inference_count":5,"execution_count":2,` +
			`"inference_stats":{"success":{"count":2,"ns":1000},"fail":{"count":0,"ns":0}`},
		{name: "stats of a version", method: "GET", path: "/v2/models/sans-lao/versions/1/stats", status: 200, want: `"version":"1"`},
		{name: "stats of all", method: "GET", path: "/v2/models/stats", status: 200, want: `"batch_stats":[{"batch_size":4,"compute_input":{"count":0,"ns":0},"compute_infer":{"count":2,"ns":3000},"compute_output":{"count":2,"ns":0}}],"memory_usage":[{"type":"CPU","id":0,"byte_size":1234}]`},
		{name: "stats of nobody", method: "GET", path: "/v2/models/nobody/stats", status: 404},

		{name: "index", method: "POST", path: "/v2/repository/index", status: 200, want: `[{"name":"music-1","version":"1","state":"READY","reason":""},{"name":"music-1","version":"2",`},
		{name: "index of what is ready", method: "POST", path: "/v2/repository/index", body: `{"ready":true}`, status: 200, want: `"READY"`},
		{name: "index of nonsense", method: "POST", path: "/v2/repository/index", body: `[`, status: 400},
		{name: "load", method: "POST", path: "/v2/repository/models/sans-lao/load", body: `{"parameters":{"config":"{}"}}`, status: 200, want: "{}"},
		{name: "load nobody", method: "POST", path: "/v2/repository/models/nobody/load", status: 404},
		{name: "load a file", method: "POST", path: "/v2/repository/models/new/load", body: `{"parameters":{"config":"{}","file:1/model.safetensors":"` + image + `"}}`, status: 200},
		{name: "load two files", method: "POST", path: "/v2/repository/models/new/load", body: `{"parameters":{"file:1/a":"` + image + `","file:1/b":"` + image + `"}}`, status: 400, want: "one file"},
		{name: "load a file that is not base64", method: "POST", path: "/v2/repository/models/new/load", body: `{"parameters":{"file:1/a":"!"}}`, status: 400, want: "base64"},
		{name: "load with an unknown parameter", method: "POST", path: "/v2/repository/models/new/load", body: `{"parameters":{"path":"/etc"}}`, status: 400, want: `no parameter \"path\"`},
		{name: "unload", method: "POST", path: "/v2/repository/models/sans-lao/unload", body: `{"parameters":{"unload_dependents":false}}`, status: 200, want: "{}"},
		{name: "unload nobody", method: "POST", path: "/v2/repository/models/nobody/unload", status: 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, servertest.NewEngine())
			got := s.Do(t, test.method, test.path, test.body, test.headers...)
			if got.Status != test.status || !strings.Contains(got.Body, test.want) {
				t.Errorf("got %d %.600s, want %d %s", got.Status, got.Body, test.status, test.want)
			}
			if test.status == 200 && strings.HasSuffix(test.path, "/infer") && !strings.HasPrefix(got.Header.Get(wire.HeaderVariant), "sans-lao@d1000") {
				t.Errorf("%s: %q", wire.HeaderVariant, got.Header.Get(wire.HeaderVariant))
			}
		})
	}
}

// ask sends JSON followed by binary tensors.
func ask(t *testing.T, s *servertest.Client, head, tail string) servertest.Response {
	t.Helper()
	return s.Do(t, "POST", "/v2/models/sans-lao/infer", head+tail, oip.HeaderJSONLength, strconv.Itoa(len(head)))
}

func TestBinaryTensors(t *testing.T) {
	f := servertest.NewEngine()
	s := start(t, f)
	pixels := func(rest string) string { return twoPixels(`"parameters":{"binary_data_size":16}` + rest) }
	in := floats(1, 2, 3, 4.5)

	got := ask(t, s, pixels(""), in)
	if got.Status != 200 || !strings.Contains(got.Body, `"data":[1,2,3,4.5]`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	// The public client lists no outputs and asks for all of them in binary.
	all := strings.Replace(pixels(""), `{"id"`, `{"parameters":{"binary_data_output":true},"id"`, 1)
	got = ask(t, s, all, in)
	head := `{"model_name":"sans-lao","model_version":"2","id":"x","outputs":[{"name":"logits","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}]}`
	if got.Status != 200 || got.Body != head+in || got.Header.Get(oip.HeaderJSONLength) != strconv.Itoa(len(head)) || got.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d %q %v", got.Status, got.Body, got.Header)
	}
	listed := strings.TrimSuffix(all, "}") + `,"outputs":[{"name":"logits","parameters":{"binary_data":false}}]}`
	if got = ask(t, s, listed, in); !strings.Contains(got.Body, `"data":[1,2,3,4.5]`) {
		t.Errorf("the parameter of the output is ignored: %d %q", got.Status, got.Body)
	}
	images := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}],"outputs":[{"name":"logits","parameters":{"binary_data":true,"classification":2}}]}`
	got = ask(t, s, images, element("PNG")+element(""))
	want := element("1.000000:0:yes") + element("0.500000:1:no:b")
	if got.Status != 200 || !strings.HasSuffix(got.Body, `"datatype":"BYTES","shape":[2,2],"parameters":{"binary_data_size":74}}]}`+want+want) {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	if diff := cmp.Diff(runtime.Inputs{Images: [][]byte{[]byte("PNG"), {}}}, f.Asked[len(f.Asked)-1]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(runtime.Inputs{Pixels: []float32{1, 2, 3, 4.5}, Shape: [3]int{2, 1, 1}}, f.Asked[0]); diff != "" {
		t.Error(diff)
	}
}

// TestInvalidBinaryTensors sends sizes, shapes and lengths that do not match the data.
func TestInvalidBinaryTensors(t *testing.T) {
	input := func(name, datatype, shape, size string) string {
		return fmt.Sprintf(`{"inputs":[{"name":"%s","datatype":"%s","shape":%s,"parameters":{"binary_data_size":%s}}]}`, name, datatype, shape, size)
	}
	tests := []struct{ name, head, tail, want string }{
		{"size over the body", input("pixel_values", "FP32", "[1,1,1,4]", "17"), floats(1, 2, 3, 4), "16 bytes of the body are left"},
		{"size under the body", input("pixel_values", "FP32", "[1,1,1,3]", "12"), floats(1, 2, 3, 4), "4 bytes follow"},
		{"size without bound", input("pixel_values", "FP32", "[1,1,1,4]", "9223372036854775807"), floats(1, 2, 3, 4), "are left"},
		{"size over numbers", input("pixel_values", "FP32", "[1,1,1,4]", "92233720368547758070"), floats(1, 2, 3, 4), "does not have the form"},
		{"negative size", input("pixel_values", "FP32", "[1,1,1,4]", "-16"), floats(1, 2, 3, 4), "are left"},
		{"shape over the size", input("pixel_values", "FP32", "[1,1,1,5]", "16"), floats(1, 2, 3, 4), "takes 20 bytes, not 16"},
		{"shape that overflows", input("pixel_values", "FP32", "[1,4294967296,4294967296,4]", "16"), floats(1, 2, 3, 4), "can't have shape"},
		{"shape that overflows to zero", input("pixel_values", "FP32", "[4,4611686018427387904,1,1]", "0"), "", "can't have shape"},
		{"negative shapes that multiply", input("pixel_values", "FP32", "[1,-2,-2,1]", "16"), floats(1, 2, 3, 4), "can't have shape"},
		{"variable shape", input("pixel_values", "FP32", "[-1,1,1,4]", "16"), floats(1, 2, 3, 4), "can't have shape"},
		{"no rows", input("pixel_values", "FP32", "[0,1,1,4]", "0"), "", "can't have shape"},
		{"no shape", input("pixel_values", "FP32", "[]", "16"), floats(1, 2, 3, 4), "must have 4 dimensions"},
		{"shape without bound", input("pixel_values", "FP32", "[1"+strings.Repeat(",1", 1<<16)+"]", "16"), floats(1, 2, 3, 4), "does not have the form"},
		{"rows without bound", input("pixel_values", "FP32", "[1025,1,1,1]", "4100"), strings.Repeat(floats(1), 1025), "the limit is 1024"},
		{"size and data", strings.Replace(input("pixel_values", "FP32", "[1,1,1,1]", "4"), `"shape"`, `"data":[1],"shape"`, 1), floats(1), "give one of them"},
		{"element over the data", input("image", "BYTES", "[1]", "7"), element("PNGX")[:7], "element 0 is longer"},
		{"element without bound", input("image", "BYTES", "[1]", "7"), "\xff\xff\xff\xffPNG", "element 0 is longer"},
		{"half a length", input("image", "BYTES", "[2]", "9"), element("PNG") + "\x00\x00", "element 1 is longer"},
		{"elements over the shape", input("image", "BYTES", "[1]", "400000"), strings.Repeat(element(""), 100000), "must be 1, not 2"},
		{"elements under the shape", input("image", "BYTES", "[3]", "7"), element("PNG"), "must be 3, not 1"},
		{"half a number", input("pixel_values", "FP32", "[1,1,1,1]", "3"), "\x00\x00\x80", "takes 4 bytes, not 3"},
	}
	f := servertest.NewEngine()
	s := start(t, f)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := ask(t, s, test.head, test.tail); got.Status != 400 || !strings.Contains(got.Body, test.want) {
				t.Errorf("got %d %.300s, want %s", got.Status, got.Body, test.want)
			}
		})
	}
	if len(f.Asked) > 0 {
		t.Errorf("%d of them reached the engine", len(f.Asked))
	}
}

// The protocol has fewer statuses than the other routes.
func TestProtocolErrors(t *testing.T) {
	for code, status := range map[runtime.Code]int{
		runtime.Internal: 500, runtime.Damaged: 500, runtime.Invalid: 400, runtime.NotFound: 404, runtime.Conflict: 400,
		runtime.TooLarge: 400, runtime.Unsupported: 400, runtime.Busy: 503, runtime.Closed: 503, runtime.Unloaded: 503,
	} {
		f := servertest.NewEngine()
		f.Err = runtime.Errorf(code, "text")
		s := start(t, f)
		got := s.Do(t, "POST", "/v2/models/sans-lao/infer", "PNG", oip.HeaderJSONLength, "0")
		var body struct{ Error string }
		if err := json.Unmarshal([]byte(got.Body), &body); err != nil || got.Status != status || body.Error == "" {
			t.Errorf("code %d: got %d %s", code, got.Status, got.Body)
		}
	}
}

func TestUnloadedModelIsNotReady(t *testing.T) {
	s := start(t, servertest.NewEngine())
	s.Do(t, "POST", "/v2/repository/models/sans-lao/unload", "")
	for path, status := range map[string]int{"/v2/models/sans-lao/ready": 503, "/v2/models/music-1/ready": 200, "/v2/health/ready": 200} {
		if got := s.Do(t, "GET", path, ""); got.Status != status {
			t.Errorf("%s: got %d %s", path, got.Status, got.Body)
		}
	}
	if got := s.Do(t, "POST", "/v2/repository/index", ""); !strings.Contains(got.Body, `{"name":"sans-lao","version":"2","state":"UNAVAILABLE","reason":"unloaded"}`) {
		t.Error(got.Body)
	}
	if got := s.Do(t, "POST", "/v2/repository/index", `{"ready":true}`); strings.Contains(got.Body, "sans-lao") {
		t.Error(got.Body)
	}
	s.Do(t, "POST", "/v2/repository/models/sans-lao/load", "")
	if got := s.Do(t, "GET", "/v2/models/sans-lao/ready", ""); got.Status != 200 {
		t.Errorf("after it was loaded: %d %s", got.Status, got.Body)
	}
}
