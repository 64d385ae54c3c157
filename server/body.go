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

// body reads a request's body: never more than its limit, never slower than
// minRate, and to its declared end or not at all.
type body struct {
	stream io.Reader   // nil: the request has none
	conn   *conns.Conn // nil: unknown
	length int64       // as declared, -1: not declared
	limit  int64
	pace   wire.Pace
	memory wire.Share

	read int64
	err  error // of the last Read; io.EOF after the whole body
}

// newBody is a request's body, of no allowed length until its route sets one.
func newBody(ctx *fasthttp.RequestCtx, patience time.Duration, memory *wire.Budget) *body {
	b := &body{stream: ctx.RequestBodyStream(), pace: wire.Pace{Began: time.Now(), Patience: patience}, memory: memory.Share()}
	b.length = max(-1, int64(ctx.Request.Header.ContentLength()))
	if b.stream == nil || b.length == 0 {
		b.length, b.err = 0, io.EOF
	}
	b.conn, _ = ctx.Conn().(*conns.Conn)
	return b
}

// release gives the memory back that the body counted for.
func (b *body) release() { b.memory.Release() }

// linger lets the answer arrive although the body is not read.
func (b *body) linger() {
	if b.conn != nil {
		b.conn.Linger()
	}
}

// check refuses a body by its declared length, before any of it is read.
func (b *body) check() error {
	if b.length > b.limit {
		return runtime.Errorf(runtime.TooLarge, "the body is %d bytes long, at most %d are allowed here", b.length, b.limit)
	}
	return nil
}

// whole tells whether all of the body has been read.
func (b *body) whole() bool { return b.err == io.EOF }

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.conn != nil {
		_ = b.conn.SetReadDeadline(b.pace.Deadline(b.read))
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	b.err = b.judge(err)
	if err := b.memory.Add(int64(n)); err != nil {
		b.err = err
	}
	return n, b.err
}

// judge turns what the stream says into what the caller may rely on: io.EOF only
// after the last byte that the client meant to send.
func (b *body) judge(err error) error {
	switch {
	case b.read > b.limit:
		return runtime.Errorf(runtime.TooLarge, "the body is longer than the %d bytes that are allowed here", b.limit)
	case b.length >= 0 && b.read == b.length:
		return io.EOF
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fiber.ErrRequestTimeout
	case b.length >= 0:
		return runtime.Errorf(runtime.Invalid, "the body ended after %d of %d bytes", b.read, b.length)
	// The stream gives io.EOF for a connection that breaks between two chunks
	// too; after a last chunk there is nothing more to read from the connection.
	case err == io.EOF && (b.conn == nil || !b.conn.Ended()):
		return io.EOF
	default:
		return runtime.Errorf(runtime.Invalid, "the chunked body was cut off or malformed after %d bytes", b.read)
	}
}

// all reads the whole body into memory of its own.
func (b *body) all() ([]byte, error) { return readAll(b, b.length) }

// readAll reads to the end. expect is how many bytes may come at most if that
// is known, or -1. Memory grows with what has come, never with what was promised.
func readAll(r io.Reader, expect int64) ([]byte, error) {
	buf := make([]byte, 0, room(32<<10, expect))
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
			grown := make([]byte, len(buf), room(2*cap(buf), expect))
			copy(grown, buf)
			buf = grown
		}
	}
}

// room is the capacity to take for size bytes; one more than is expected, so
// that the read that finds the end has a place.
func room(size int, expect int64) int {
	if expect >= 0 && int64(size) > expect {
		return int(expect) + 1
	}
	return size
}
