package oip_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

func TestGRPCMetadata(t *testing.T) {
	c, ctx := protocol(t, servertest.NewEngine(), oip.GRPCOptions{}), t.Context()
	if r, err := c.ServerLive(ctx, &inference.ServerLiveRequest{}); err != nil || !r.Live {
		t.Error(r, err)
	}
	if r, err := c.ServerReady(ctx, &inference.ServerReadyRequest{}); err != nil || !r.Ready {
		t.Error(r, err)
	}
	if r, err := c.ServerMetadata(ctx, &inference.ServerMetadataRequest{}); err != nil || r.Name != "eigenserve" || r.Version != "v1" || len(r.Extensions) != 6 {
		t.Error(r, err)
	}
	m, err := c.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "sans-lao", Version: "1"})
	if err != nil || m.Name != "sans-lao" || strings.Join(m.Versions, " ") != "1 2" || m.Platform != "eigenserve" || len(m.Inputs) != 2 || m.Outputs[0].Shape[1] != 3 {
		t.Error(m, err)
	}
	config, err := c.ModelConfig(ctx, &inference.ModelConfigRequest{Name: "sans-lao"})
	if err != nil || config.Config.MaxBatchSize != runtime.MaxRows || config.Config.Backend != "eigenserve" || len(config.Config.Input) != 2 ||
		config.Config.Input[0].DataType != inference.DataType_TYPE_FP32 || config.Config.Input[0].Format != inference.ModelInput_FORMAT_NCHW ||
		len(config.Config.Input[0].Dims) != 3 || config.Config.Input[1].DataType != inference.DataType_TYPE_STRING || config.Config.Output[0].Dims[0] != 3 {
		t.Error(config, err)
	}
	stats, err := c.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "sans-lao"})
	if err != nil || stats.ModelStats[0].InferenceCount != 5 || stats.ModelStats[0].InferenceStats.Success.Ns != 1000 || stats.ModelStats[0].MemoryUsage[0].ByteSize != 1234 ||
		stats.ModelStats[0].BatchStats[0].BatchSize != 4 || stats.ModelStats[0].BatchStats[0].ComputeInfer.Ns != 3000 {
		t.Error(stats, err)
	}
	index, err := c.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{})
	if err != nil || len(index.Models) != 6 || index.Models[0].State != "READY" {
		t.Error(index, err)
	}
}

func TestGRPCSuggestsNames(t *testing.T) {
	c := protocol(t, servertest.NewEngine(), oip.GRPCOptions{})
	for name, want := range map[string]string{"sans-la": `did you mean "sans-lao"?`, "nobody": "RepositoryIndex lists them"} {
		_, err := c.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: name})
		if grpcstatus.Code(err) != codes.NotFound || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestGRPCUnsupported calls what other servers of the protocol have and this one does not.
func TestGRPCUnsupported(t *testing.T) {
	_, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{})
	c, ctx := inference.NewGRPCInferenceServiceClient(conn), t.Context()
	if _, err := c.SystemSharedMemoryUnregister(ctx, &inference.SystemSharedMemoryUnregisterRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := c.CudaSharedMemoryUnregister(ctx, &inference.CudaSharedMemoryUnregisterRequest{Name: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := c.SystemSharedMemoryStatus(ctx, &inference.SystemSharedMemoryStatusRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := c.CudaSharedMemoryStatus(ctx, &inference.CudaSharedMemoryStatusRequest{}); err != nil {
		t.Error(err)
	}
	for method, want := range map[string]string{
		"ModelStreamInfer": "call ModelInfer once for each request", "SystemSharedMemoryRegister": "shared memory is not supported",
		"CudaSharedMemoryRegister": "shared memory is not supported", "TraceSetting": "--otlp-endpoint", "LogSettings": "--log-level", "None": `no method "None"`,
	} {
		err := conn.Invoke(ctx, "/inference.GRPCInferenceService/"+method, &inference.ServerLiveRequest{}, &inference.ServerLiveResponse{})
		if grpcstatus.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", method, err, want)
		}
	}
	input, output := pixelsMessage(), pixelsMessage()
	region := map[string]*inference.InferParameter{"shared_memory_region": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "r"}}}
	input.Inputs[0].Parameters = region
	output.RawInputContents = [][]byte{make([]byte, 16)}
	output.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "logits", Parameters: region}}
	for name, q := range map[string]*inference.ModelInferRequest{"input": input, "output": output} {
		if _, err := c.ModelInfer(ctx, q); grpcstatus.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "shared memory") {
			t.Errorf("%s in shared memory: %v", name, err)
		}
	}
}

func TestGRPCRepository(t *testing.T) {
	f := servertest.NewEngine()
	c, ctx := protocol(t, f, oip.GRPCOptions{}), t.Context()
	ready := func() bool {
		r, err := c.ModelReady(ctx, &inference.ModelReadyRequest{Name: "sans-lao"})
		if err != nil {
			t.Error(err)
		}
		return r.GetReady()
	}
	if !ready() {
		t.Error("the model is not ready")
	}
	if _, err := c.RepositoryModelUnload(ctx, &inference.RepositoryModelUnloadRequest{ModelName: "sans-lao"}); err != nil || ready() {
		t.Error("unloaded and ready", err)
	}
	if _, err := c.RepositoryModelLoad(ctx, &inference.RepositoryModelLoadRequest{ModelName: "sans-lao"}); err != nil || !ready() {
		t.Error("loaded and not ready", err)
	}
	load := func(parameters map[string]*inference.ModelRepositoryParameter) codes.Code {
		_, err := c.RepositoryModelLoad(ctx, &inference.RepositoryModelLoadRequest{ModelName: "new", Parameters: parameters})
		return grpcstatus.Code(err)
	}
	file := func(text string) *inference.ModelRepositoryParameter {
		return &inference.ModelRepositoryParameter{ParameterChoice: &inference.ModelRepositoryParameter_BytesParam{BytesParam: []byte(text)}}
	}
	for name, test := range map[string]struct {
		parameters map[string]*inference.ModelRepositoryParameter
		want       codes.Code
	}{
		"a file":            {map[string]*inference.ModelRepositoryParameter{"file:1/model.safetensors": file("x"), "config": file("{}")}, codes.OK},
		"two files":         {map[string]*inference.ModelRepositoryParameter{"file:1/a": file("x"), "file:1/b": file("x")}, codes.InvalidArgument},
		"an empty file":     {map[string]*inference.ModelRepositoryParameter{"file:1/a": file("")}, codes.InvalidArgument},
		"unknown parameter": {map[string]*inference.ModelRepositoryParameter{"path": file("/etc")}, codes.InvalidArgument},
	} {
		if got := load(test.parameters); got != test.want {
			t.Errorf("load with %s: %v", name, got)
		}
	}
	if f.Arrived() != 1 {
		t.Errorf("%d files arrived", f.Arrived())
	}
}

// pixelsMessage returns a request for two rows of two values, without its data.
func pixelsMessage() *inference.ModelInferRequest {
	return &inference.ModelInferRequest{ModelName: "sans-lao", Id: "x", Inputs: []*inference.ModelInferRequest_InferInputTensor{
		{Name: "pixel_values", Datatype: "FP32", Shape: []int64{2, 2, 1, 1}}}}
}

func TestGRPCInfer(t *testing.T) {
	f := servertest.NewEngine()
	c, ctx := protocol(t, f, oip.GRPCOptions{}), t.Context()
	q := pixelsMessage()
	q.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: []float32{1, 2, 3, 4.5}}
	var header metadata.MD
	if _, err := c.ModelInfer(ctx, q, grpc.UseCompressor("deflate")); err != nil {
		t.Error(err)
	}
	got, err := c.ModelInfer(ctx, q, grpc.Header(&header), grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	if got.ModelName != "sans-lao" || got.ModelVersion != "2" || got.Id != "x" || got.RawOutputContents != nil || got.Outputs[0].Name != "logits" {
		t.Error(got)
	}
	if diff := cmp.Diff([]float32{1, 2, 3, 4.5}, got.Outputs[0].Contents.Fp32Contents); diff != "" {
		t.Error(diff)
	}
	if v := header.Get("eigenserve-variant"); len(v) != 1 || !strings.HasPrefix(v[0], "sans-lao@d1000") || len(header.Get("server-timing")) != 1 {
		t.Error(header)
	}

	q = pixelsMessage()
	q.RawInputContents = [][]byte{[]byte(floats(1, 2, 3, 4.5))}
	got, err = c.ModelInfer(ctx, q)
	if err != nil || len(got.RawOutputContents) != 1 || string(got.RawOutputContents[0]) != floats(1, 2, 3, 4.5) || got.Outputs[0].Contents != nil {
		t.Error(got, err)
	}

	q = &inference.ModelInferRequest{ModelName: "current", ModelVersion: "", Inputs: []*inference.ModelInferRequest_InferInputTensor{
		{Name: "image", Datatype: "BYTES", Shape: []int64{1}, Contents: &inference.InferTensorContents{BytesContents: [][]byte{[]byte("PNG")}}}},
		Outputs: []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "logits", Parameters: map[string]*inference.InferParameter{
			"classification": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 1}}}}}}
	got, err = c.ModelInfer(ctx, q)
	if err != nil || got.ModelName != "sans-lao" || got.Outputs[0].Datatype != "BYTES" || string(got.Outputs[0].Contents.BytesContents[0]) != "1.000000:0:yes" {
		t.Error(got, err)
	}
}

func TestGRPCRefuses(t *testing.T) {
	raw := func(b ...string) func(*inference.ModelInferRequest) {
		return func(q *inference.ModelInferRequest) {
			for _, b := range b {
				q.RawInputContents = append(q.RawInputContents, []byte(b))
			}
		}
	}
	tests := []struct {
		name  string
		spoil func(*inference.ModelInferRequest)
		code  codes.Code
		want  string
	}{
		{"unknown model", func(q *inference.ModelInferRequest) { raw(floats(1, 2, 3, 4))(q); q.ModelName = "nobody" }, codes.NotFound, "nobody"},
		{"unknown version", func(q *inference.ModelInferRequest) { raw(floats(1, 2, 3, 4))(q); q.ModelVersion = "9" }, codes.NotFound, "version"},
		{"version in words", func(q *inference.ModelInferRequest) { q.ModelVersion = "new" }, codes.InvalidArgument, "not a version"},
		{"no model", func(q *inference.ModelInferRequest) { q.ModelName = "" }, codes.InvalidArgument, "name"},
		{"model with a path", func(q *inference.ModelInferRequest) { q.ModelName = "../x" }, codes.InvalidArgument, "name"},
		{"no data", func(*inference.ModelInferRequest) {}, codes.InvalidArgument, "must be 4, not 0"},
		{"no input", func(q *inference.ModelInferRequest) { q.Inputs = nil }, codes.InvalidArgument, "one input"},
		{"an empty input", func(q *inference.ModelInferRequest) { q.Inputs[0] = &inference.ModelInferRequest_InferInputTensor{} }, codes.InvalidArgument, "datatype"},
		{"two inputs", func(q *inference.ModelInferRequest) { q.Inputs = append(q.Inputs, q.Inputs[0]) }, codes.InvalidArgument, "one input"},
		{"two raw inputs", raw(floats(1, 2, 3, 4), ""), codes.InvalidArgument, "raw_input_contents"},
		{"contents beside raw", func(q *inference.ModelInferRequest) {
			raw(floats(1, 2, 3, 4))(q)
			q.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: []float32{1, 2, 3, 4}}
		}, codes.InvalidArgument, "raw_input_contents"},
		{"raw too short", raw(floats(1, 2, 3)), codes.InvalidArgument, "takes 16 bytes, not 12"},
		{"shape that overflows", func(q *inference.ModelInferRequest) { q.Inputs[0].Shape = []int64{4, 1 << 62, 1, 1} }, codes.InvalidArgument, "shape"},
		{"negative shape", func(q *inference.ModelInferRequest) { q.Inputs[0].Shape = []int64{1, -2, -2, 1} }, codes.InvalidArgument, "shape"},
		{"another datatype", func(q *inference.ModelInferRequest) { q.Inputs[0].Datatype = "FP64" }, codes.InvalidArgument, "must be FP32"},
		{"contents of another type", func(q *inference.ModelInferRequest) {
			q.Inputs[0].Contents = &inference.InferTensorContents{Fp64Contents: []float64{1, 2, 3, 4}}
		}, codes.InvalidArgument, "not 0"},
		{"classification of none", func(q *inference.ModelInferRequest) {
			raw(floats(1, 2, 3, 4))(q)
			q.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "logits", Parameters: map[string]*inference.InferParameter{"classification": nil}}}
		}, codes.InvalidArgument, "classification"},
		{"unknown output", func(q *inference.ModelInferRequest) {
			raw(floats(1, 2, 3, 4))(q)
			q.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "scores"}}
		}, codes.InvalidArgument, "no output"},
	}
	c := protocol(t, servertest.NewEngine(), oip.GRPCOptions{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := pixelsMessage()
			test.spoil(q)
			_, err := c.ModelInfer(t.Context(), q)
			if grpcstatus.Code(err) != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %v %s", err, test.code, test.want)
			}
		})
	}
}

func TestGRPCErrors(t *testing.T) {
	for code, want := range map[runtime.Code]codes.Code{
		runtime.Internal: codes.Internal, runtime.Damaged: codes.Internal, runtime.Invalid: codes.InvalidArgument, runtime.NotFound: codes.NotFound,
		runtime.Conflict: codes.FailedPrecondition, runtime.TooLarge: codes.InvalidArgument, runtime.Unsupported: codes.InvalidArgument,
		runtime.Busy: codes.Unavailable, runtime.Closed: codes.Unavailable, runtime.Unloaded: codes.Unavailable,
		runtime.Overloaded: codes.ResourceExhausted, runtime.Deadline: codes.DeadlineExceeded,
	} {
		f := servertest.NewEngine()
		f.Err = runtime.Errorf(code, "text")
		c := protocol(t, f, oip.GRPCOptions{})
		var trailer metadata.MD
		_, err := c.ModelReady(t.Context(), &inference.ModelReadyRequest{Name: "a"}, grpc.Trailer(&trailer))
		if code == runtime.Unloaded {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if grpcstatus.Code(err) != want || (code == runtime.Internal) == strings.Contains(err.Error(), "text") {
			t.Errorf("code %d: %v", code, err)
		}
		if has := len(trailer.Get("retry-after")) > 0; has != (code == runtime.Busy || code == runtime.Overloaded) {
			t.Errorf("code %d: trailer %v", code, trailer)
		}
	}
}

// TestEveryMethodHasItsScope calls every method without a token, and with one of each scope.
func TestEveryMethodHasItsScope(t *testing.T) {
	_, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{Tokens: servertest.Tokens(t, "see read", "use infer", "run admin", `sans read,infer,admin "sans-*"`)})
	call := func(method, name string) codes.Code {
		ctx := t.Context()
		if name != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+servertest.Secret(name))
		}
		q := pixelsMessage() // neither a valid name, nor an id where another message has a nested one
		q.ModelName, q.Id = "", ""
		return grpcstatus.Code(conn.Invoke(ctx, method, q, &inference.ModelInferResponse{}))
	}
	for _, m := range inference.GRPCInferenceService_ServiceDesc.Methods {
		method := "/" + inference.GRPCInferenceService_ServiceDesc.ServiceName + "/" + m.MethodName
		need, known := oip.Methods[method]
		if !known {
			t.Errorf("%s has no scope", method)
		}
		if got := call(method, ""); (got == codes.Unauthenticated) != (need != auth.Open) {
			t.Errorf("%s without a token: %v", method, got)
		}
		for name, has := range map[string]auth.Scope{"see": auth.Read, "use": auth.Infer, "run": auth.Admin} {
			if got := call(method, name); (got == codes.PermissionDenied) != (need != auth.Open && need != has) {
				t.Errorf("%s with the scope %s: %v", method, has, got)
			}
		}
	}
	c := inference.NewGRPCInferenceServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+servertest.Secret("sans"))
	for name, want := range map[string]codes.Code{"sans-lao": codes.OK, "music-1": codes.PermissionDenied, "music-1:1": codes.PermissionDenied} {
		if _, err := c.ModelReady(ctx, &inference.ModelReadyRequest{Name: name}); grpcstatus.Code(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	index, err := c.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{})
	if err != nil || len(index.Models) != 4 {
		t.Error(index, err)
	}
}

func TestGRPCHealth(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{Tokens: servertest.Tokens(t, "see read")})
	c := grpc_health_v1.NewHealthClient(conn)
	is := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", "inference.GRPCInferenceService"} {
			if r, err := c.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}); err != nil || r.Status != want {
				t.Errorf("%q: %v, %v", service, r, err)
			}
		}
	}
	is(grpc_health_v1.HealthCheckResponse_SERVING)
	s.Drain()
	is(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
}

func TestGRPCDeadlineReachesTheEngine(t *testing.T) {
	f := servertest.NewEngine()
	f.OnInfer = func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the engine was given no deadline")
		}
		<-ctx.Done()
		return ctx.Err()
	}
	c := protocol(t, f, oip.GRPCOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	q := pixelsMessage()
	q.RawInputContents = [][]byte{[]byte(floats(1, 2, 3, 4))}
	if _, err := c.ModelInfer(ctx, q); grpcstatus.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func TestGRPCIsLogged(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{AccessLog: true, Tokens: servertest.Tokens(t, "see read")})
	c := inference.NewGRPCInferenceServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+servertest.Secret("see"))
	if _, err := c.ModelReady(ctx, &inference.ModelReadyRequest{Name: "no\nbody"}); err == nil {
		t.Error("a name with a line break is accepted")
	}
	_, _ = c.ServerLive(ctx, &inference.ServerLiveRequest{}) // logged only at debug level
	log := s.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "route=grpc_ModelReady code=InvalidArgument") || !strings.Contains(log, "token=see") {
		t.Errorf("log: %q", log)
	}
}

// TestGRPCLimits sends messages that are too long, or would take too much memory.
func TestGRPCLimits(t *testing.T) {
	c := protocol(t, servertest.NewEngine(), oip.GRPCOptions{MessageLimit: 1 << 20, Bodies: wire.NewBudget(1 << 16)})
	q := pixelsMessage()
	q.RawInputContents = [][]byte{make([]byte, 2<<20)}
	if _, err := c.ModelInfer(t.Context(), q); grpcstatus.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message over the limit: %v", err)
	}
	roomy := protocol(t, servertest.NewEngine(), oip.GRPCOptions{MessageLimit: 1 << 20})
	for _, name := range []string{gzip.Name, "deflate"} {
		if _, err := c.ModelInfer(t.Context(), q, grpc.UseCompressor(name)); grpcstatus.Code(err) != codes.Unavailable {
			t.Errorf("a message over what all may take, by %s: %v", name, err)
		}
		if _, err := roomy.ModelInfer(t.Context(), q, grpc.UseCompressor(name)); grpcstatus.Code(err) != codes.ResourceExhausted {
			t.Errorf("a message over the limit, by %s: %v", name, err)
		}
	}
	q.RawInputContents = [][]byte{make([]byte, 1<<17)}
	if _, err := c.ModelInfer(t.Context(), q); grpcstatus.Code(err) != codes.Unavailable {
		t.Errorf("a message over what all may take: %v", err)
	}
	q.RawInputContents = make([][]byte, 20000)
	if _, err := c.ModelInfer(t.Context(), q); err == nil || !strings.Contains(err.Error(), oip.ErrTooManyFields.Error()) {
		t.Errorf("a message of many parts: %v", err)
	}
	q = pixelsMessage()
	q.Inputs[0].Contents = &inference.InferTensorContents{BoolContents: make([]bool, 20000)}
	if _, err := c.ModelInfer(t.Context(), q); err == nil || !strings.Contains(err.Error(), oip.ErrTooManyFields.Error()) {
		t.Errorf("a message of many small numbers: %v", err)
	}
}
