package server

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"eigenserve/runtime"
	"eigenserve/server/internal/conns"
	"eigenserve/server/wire"
)

// body reads the body of a request: never more than its limit, never slower than
// wire.MinRate, and to its declared end or not at all.
type body struct {
	stream io.Reader   // nil: the request has no body
	conn   *conns.Conn // nil: unknown
	length int64       // as declared, -1: not declared
	limit  int64       // of what is sent
	pace   wire.Pace
	memory wire.Share

	// decoder decompresses what is sent, which then takes no memory itself. It is nil
	// for a body that is not compressed.
	decoder *wire.Decoder

	read int64
	err  error // of the last read of the stream; io.EOF after the whole body
}

// newBody returns the body of a request. Its limit is 0 until its route sets another.
func newBody(ctx *fasthttp.RequestCtx, patience time.Duration, memory *wire.Budget) *body {
	b := &body{stream: ctx.RequestBodyStream(), pace: wire.Pace{Began: time.Now(), Patience: patience}, memory: memory.Share()}
	b.length = max(-1, int64(ctx.Request.Header.ContentLength()))
	if b.stream == nil || b.length == 0 {
		b.length, b.err = 0, io.EOF
	}
	b.conn, _ = ctx.Conn().(*conns.Conn)
	return b
}

// release returns the memory of the body to the budget.
func (b *body) release() { b.memory.Release() }

// linger lets the answer arrive although the body is not read to its end.
func (b *body) linger() {
	if b.conn != nil {
		b.conn.Linger()
	}
}

// check returns an error if the declared length exceeds the limit.
func (b *body) check() error {
	if b.length > b.limit {
		return runtime.Errorf(runtime.TooLarge, "the body is %d bytes long, the limit is %d", b.length, b.limit)
	}
	return nil
}

// isComplete reports whether all of the body has been read.
func (b *body) isComplete() bool { return b.err == io.EOF }

// setLimit sets how many bytes the body may have, after it is decompressed if it has a
// coding.
func (b *body) setLimit(limit int64, coding string) {
	b.limit = limit
	if coding != "" && !b.isComplete() {
		b.limit = wire.MaxEncoded(limit)
		b.decoder = wire.NewDecoder(coding, sentBody{b}, limit, &b.memory)
	}
}

// Read implements io.Reader. It returns io.EOF only after the last byte that the client
// meant to send.
func (b *body) Read(p []byte) (int, error) {
	if b.decoder != nil {
		return b.decoder.Read(p)
	}
	n, err := b.readSent(p)
	if memory := b.memory.Add(int64(n)); memory != nil {
		b.err, err = memory, memory
	}
	return n, err
}

// sentBody reads a body as it is sent.
type sentBody struct{ *body }

func (s sentBody) Read(p []byte) (int, error) { return s.readSent(p) }

// readSent is Read without decompression.
func (b *body) readSent(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.conn != nil {
		_ = b.conn.SetReadDeadline(b.pace.Deadline(b.read))
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	b.err = b.readError(err)
	return n, b.err
}

// readError returns the error of a Read in which the stream returned err.
func (b *body) readError(err error) error {
	switch {
	case b.read > b.limit:
		return runtime.Errorf(runtime.TooLarge, "the body is longer than the limit of %d bytes", b.limit)
	case b.length >= 0 && b.read == b.length:
		return io.EOF
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fiber.ErrRequestTimeout
	case b.length >= 0:
		return runtime.Errorf(runtime.Invalid, "the body ended after %d of %d bytes", b.read, b.length)
	// The stream returns io.EOF for a connection that breaks between two chunks, too.
	// After the last chunk nothing more is read from the connection.
	case err == io.EOF && (b.conn == nil || !b.conn.Ended()):
		return io.EOF
	default:
		return runtime.Errorf(runtime.Invalid, "the chunked body was cut off or malformed after %d bytes", b.read)
	}
}

// all reads the whole body into new memory.
func (b *body) all() ([]byte, error) { return readAll(b, b.most()) }

// most returns the most bytes that Read can return, -1 if that is unknown.
func (b *body) most() int64 {
	if b.decoder != nil {
		return -1
	}
	return b.length
}

// maxDiscard is how much of a refused request's body is read and dropped, since that
// costs less than a new connection.
const maxDiscard = 64 << 10

// discardShort reads a short body of a refused request, to keep the connection.
func (b *body) discardShort() {
	if b.length >= 0 && b.length <= maxDiscard {
		_, _ = io.Copy(io.Discard, b)
	}
}

// readAll reads r to its end. expect is the most bytes that it has, -1 if unknown. The
// memory it takes grows with what has arrived, not with what is expected.
func readAll(r io.Reader, expect int64) ([]byte, error) {
	buf := make([]byte, 0, capacity(32<<10, expect))
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), capacity(2*cap(buf), expect))
			copy(grown, buf)
			buf = grown
		}
	}
}

// capacity returns size, or one more than expect if that is less: the read that finds the
// end needs room, too.
func capacity(size int, expect int64) int {
	if expect >= 0 && int64(size) > expect {
		return int(expect) + 1
	}
	return size
}
