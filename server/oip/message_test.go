package oip_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"eigenserve/server/internal/servertest"
	"eigenserve/server/oip"
	"eigenserve/server/oip/inference"
	"eigenserve/server/wire"
)

// frames is a connection on which a test sends calls frame by frame.
type frames struct {
	*http2.Framer
	t    *testing.T
	conn net.Conn
	head bytes.Buffer
	pack *hpack.Encoder
	last uint32                // stream
	done map[uint32]codes.Code // how calls ended
}

func dialFrames(t *testing.T, addr string) *frames {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	w := &frames{Framer: http2.NewFramer(c, c), t: t, conn: c, last: ^uint32(0), done: make(map[uint32]codes.Code)}
	w.pack = hpack.NewEncoder(&w.head)
	w.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	w.must(w.WriteSettings())
	return w
}

func (w *frames) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin sends the headers of a call and returns its stream.
func (w *frames) begin(method string, more ...string) (stream uint32) {
	w.t.Helper()
	w.head.Reset()
	for f := append([]string{":method", "POST", ":scheme", "http", ":path", method, ":authority", "x", "content-type", "application/grpc", "te", "trailers"}, more...); len(f) > 0; f = f[2:] {
		w.must(w.pack.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	w.last += 2
	w.must(w.WriteHeaders(http2.HeadersFrameParam{StreamID: w.last, BlockFragment: w.head.Bytes(), EndHeaders: true}))
	return w.last
}

// send sends a part of a call's message. On one connection a test may send 65535 bytes, the
// initial flow control window.
func (w *frames) send(stream uint32, data []byte, end bool) {
	w.t.Helper()
	for len(data) > 16<<10 {
		w.must(w.WriteData(stream, false, data[:16<<10]))
		data = data[16<<10:]
	}
	w.must(w.WriteData(stream, end, data))
}

// code waits for the end of a call and returns its code.
func (w *frames) code(stream uint32) codes.Code {
	w.t.Helper()
	for {
		if code, ok := w.done[stream]; ok {
			return code
		}
		frame, err := w.ReadFrame()
		if err != nil {
			w.t.Fatalf("stream %d: %v", stream, err)
		}
		head, ok := frame.(*http2.MetaHeadersFrame)
		if !ok || !head.StreamEnded() {
			continue
		}
		for _, f := range head.RegularFields() {
			if f.Name == "grpc-status" {
				n, err := strconv.Atoi(f.Value)
				w.must(err)
				w.done[head.StreamID] = codes.Code(n)
			}
		}
	}
}

// framed returns a message with its prefix.
func framed(t *testing.T, q proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...)
}

// bulkyMessage returns a request with one row of n bytes.
func bulkyMessage(n int) *inference.ModelInferRequest {
	q := pixelsMessage()
	q.Inputs[0].Shape = []int64{1, int64(n / 4), 1, 1}
	q.RawInputContents = [][]byte{make([]byte, n)}
	return q
}

// waitHeld waits until least to most bytes are counted.
func (r *running) waitHeld(t *testing.T, least, most int64) {
	t.Helper()
	var held int64
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if held = r.bodies.Held(); least <= held && held <= most {
			return
		}
	}
	t.Fatalf("%d bytes are counted, want %d to %d", held, least, most)
}

const (
	methodInfer = inference.GRPCInferenceService_ModelInfer_FullMethodName
	methodWatch = "/grpc.health.v1.Health/Watch"
)

// TestGRPCMessagesShareTheirMemory has one unfinished message take most of the memory of
// messages, as TestUploadsShareTheirMemory does over HTTP.
func TestGRPCMessagesShareTheirMemory(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{Bodies: wire.NewBudget(100_000)})
	c := inference.NewGRPCInferenceServiceClient(conn)
	var trailer metadata.MD
	infer := func(n int, o ...grpc.CallOption) codes.Code {
		_, err := c.ModelInfer(t.Context(), bulkyMessage(n), append(o, grpc.Trailer(&trailer))...)
		return grpcstatus.Code(err)
	}
	w, message := dialFrames(t, conn.Target()), framed(t, bulkyMessage(60_000))
	first := w.begin(methodInfer)
	w.send(first, message[:len(message)-1], false)
	s.waitHeld(t, 60_000, 61_000)
	if got := infer(50_000); got != codes.Unavailable || strings.Join(trailer.Get("retry-after"), " ") != "1" {
		t.Errorf("without room: %v, %v", got, trailer)
	}
	if got := infer(50_000, grpc.UseCompressor(gzip.Name)); got != codes.Unavailable {
		t.Errorf("without room for the decompressed message: %v", got)
	}
	if got := infer(20_000); got != codes.OK {
		t.Errorf("a small one: %v", got)
	}
	w.send(first, message[len(message)-1:], true)
	if got := w.code(first); got != codes.OK {
		t.Errorf("the first: %v", got)
	}
	if got := infer(80_000); got != codes.OK {
		t.Errorf("with room again: %v", got)
	}
	if got := infer(80_000, grpc.UseCompressor(gzip.Name)); got != codes.OK {
		t.Errorf("with room again, compressed: %v", got)
	}
	if held := s.bodies.Held(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

// A message that is canceled half way releases its memory.
func TestCanceledGRPCMessage(t *testing.T) {
	for name, stop := range map[string]func(w *frames, stream uint32) error{
		"call":       func(w *frames, stream uint32) error { return w.WriteRSTStream(stream, http2.ErrCodeCancel) },
		"connection": func(w *frames, _ uint32) error { return w.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{})
			w := dialFrames(t, conn.Target())
			stream := w.begin(methodInfer)
			w.send(stream, framed(t, bulkyMessage(40_000))[:30_000], false)
			s.waitHeld(t, 30_000, 40_000)
			w.must(stop(w, stream))
			s.waitHeld(t, 0, 0)
		})
	}
}

// Calls whose messages stop arriving time out. One of which more has arrived has more time.
func TestSlowGRPCMessageTimesOut(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{ReadTimeout: time.Second, AccessLog: true})
	w, message, small := dialFrames(t, conn.Target()), framed(t, bulkyMessage(50_000)), framed(t, pixelsMessage())
	steady := w.begin(methodInfer)
	w.send(steady, message[:5+3*wire.MinRate], false)
	slow := map[string]uint32{"nothing": w.begin(methodInfer), "nothing to watch": w.begin(methodWatch)}
	for name, sent := range map[string][]byte{"half a head": small[:3], "half a message": small[:20], "a message and no end": small} {
		slow[name] = w.begin(methodInfer)
		w.send(slow[name], sent, false)
	}
	for name, stream := range slow {
		if got := w.code(stream); got != codes.DeadlineExceeded {
			t.Errorf("%s: %v", name, got)
		}
	}
	w.send(steady, message[5+3*wire.MinRate:], true)
	if got := w.code(steady); got != codes.OK {
		t.Errorf("a steady one: %v", got)
	}
	if held := s.bodies.Held(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
	if log := s.log.String(); strings.Count(log, "code=DeadlineExceeded") != len(slow) || !strings.Contains(log, oip.ErrSlow.Text) {
		t.Errorf("log: %q", log)
	}
}

func TestInvalidGRPCMessages(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{AccessLog: true})
	w, small := dialFrames(t, conn.Target()), framed(t, pixelsMessage())
	packed := append([]byte{1}, small[1:]...)
	tests := []struct {
		name, method string
		sent         []byte
		packing      string
		want         codes.Code
	}{
		{"nothing", methodInfer, nil, "identity", codes.InvalidArgument},
		{"half a head", methodInfer, small[:3], "identity", codes.InvalidArgument},
		{"half a message", methodInfer, small[:20], "identity", codes.InvalidArgument},
		{"two messages", methodInfer, append(small, small...), "identity", codes.InvalidArgument},
		{"not protobuf", methodInfer, []byte{0, 0, 0, 0, 1, 7}, "identity", codes.InvalidArgument},
		{"compressed, without the name of the compression", methodInfer, packed, "identity", codes.InvalidArgument},
		{"not compressed as named", methodInfer, packed, "gzip", codes.InvalidArgument},
		{"not compressed as named, by deflate", methodInfer, packed, "deflate", codes.InvalidArgument},
		{"over the limit", methodInfer, []byte{0, 255, 0, 0, 0}, "identity", codes.ResourceExhausted},
		{"over the limit of an open method", methodWatch, framed(t, bulkyMessage(oip.MaxOpenMessage)), "identity", codes.ResourceExhausted},
	}
	for _, test := range tests {
		stream := w.begin(test.method, "grpc-encoding", test.packing)
		w.send(stream, test.sent, true)
		if got := w.code(stream); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if log := s.log.String(); strings.Count(log, "\n") != len(tests) {
		t.Errorf("log: %q", log)
	}
	if held := s.bodies.Held(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

func TestGRPCMetadataLimit(t *testing.T) {
	c := protocol(t, servertest.NewEngine(), oip.GRPCOptions{})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x", strings.Repeat("x", oip.MaxMetadata))
	if _, err := c.ServerLive(ctx, &inference.ServerLiveRequest{}); err == nil {
		t.Error("too much metadata is accepted")
	}
}

// Refused calls are logged and measured.
func TestRefusedCallsAreLogged(t *testing.T) {
	s, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{AccessLog: true, Tokens: servertest.Tokens(t, "see read", `slow infer "*" 0.001`)})
	invoke := func(name, method string) metadata.MD {
		var trailer metadata.MD
		ctx := t.Context()
		if name != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+servertest.Secret(name))
		}
		_ = conn.Invoke(ctx, method, pixelsMessage(), &inference.ModelInferResponse{}, grpc.Trailer(&trailer))
		return trailer
	}
	invoke("", methodInfer)
	invoke("nobody", methodInfer)
	invoke("see", methodInfer)
	invoke("see", "/inference.GRPCInferenceService/None")
	invoke("see", "/none/None")
	invoke("slow", methodInfer)
	if got := invoke("slow", methodInfer); strings.Join(got.Get("retry-after"), " ") != "1000" {
		t.Errorf("over its rate: %v", got)
	}
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	want := [][]string{
		{"route=grpc_ModelInfer code=Unauthenticated", "remote=", "a token is required"},
		{"route=grpc_ModelInfer code=Unauthenticated", "the token is not known to this server"},
		{"route=grpc_ModelInfer code=PermissionDenied", "lacks the scope"},
		{"route=none code=Unimplemented", `no method \"None\"`},
		{"route=none code=Unimplemented", `no method \"None\"`},
		{"route=grpc_ModelInfer code=InvalidArgument", "token=slow"},
		{"route=grpc_ModelInfer code=ResourceExhausted", "token=slow", "this token may be used"},
	}
	if len(lines) != len(want) {
		t.Fatalf("log: %q", lines)
	}
	for i, parts := range want {
		for _, part := range parts {
			if !strings.Contains(lines[i], part) {
				t.Errorf("%s\nlacks %s", lines[i], part)
			}
		}
	}
	for observed, want := range map[call]int{{"grpc_ModelInfer", 401}: 2, {"grpc_ModelInfer", 403}: 1, {"grpc_ModelInfer", 429}: 1, {"none", 501}: 2} {
		if got := s.observed(observed.route, observed.status); got != want {
			t.Errorf("%d calls of %s ended with %d, want %d", got, observed.route, observed.status, want)
		}
	}
}

// A call is refused before its message arrives.
func TestCallIsRefusedEarly(t *testing.T) {
	_, conn := dial(t, servertest.NewEngine(), oip.GRPCOptions{Tokens: servertest.Tokens(t, "see read")})
	w := dialFrames(t, conn.Target())
	if got := w.code(w.begin(methodInfer)); got != codes.Unauthenticated {
		t.Errorf("got %v", got)
	}
}
