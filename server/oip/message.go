package oip

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"eigenserve/runtime"
	"eigenserve/server/auth"
	"eigenserve/server/wire"
)

// maxOpenMessage is how long a message may be in bytes where no token is needed. It holds
// a name at most, and Watch keeps it until the caller leaves.
const maxOpenMessage = 1 << 10

// source returns the bytes of a call as they arrive. The library itself would read a
// message to its end before it returns any of it. Its stream has these methods without
// promising them; with a version that lacks them, every test of a call fails.
type source interface {
	// ReadMessageHeader fills p with the next bytes, whatever they are. It returns
	// io.EOF if there are none.
	ReadMessageHeader(p []byte) error
	// RecvCompress returns the name of the compression of messages.
	RecvCompress() string
}

// message reads the one message of a call, as the server's bodies are read: never more
// than its limit, never slower than wire.MinRate, and counted before memory is taken for
// it.
type message struct {
	source   source
	limit    int64
	patience time.Duration // with a client that sends nothing
	cancel   context.CancelCauseFunc
	memory   wire.Share
	timer    *time.Timer // cancels the call
}

// cancelKey is the key of the function in a call's context that cancels it.
type cancelKey struct{}

// withCancel makes it possible to cancel a call while its message is waited for. Waiting
// heeds only the context that this function returns to the library.
func withCancel(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	return context.WithValue(ctx, cancelKey{}, cancel), nil
}

// newMessage returns the message of a call. Nothing of it has been read.
func (g *GRPC) newMessage(ctx context.Context, method string) (*message, error) {
	m := &message{limit: min(g.options.MessageLimit, math.MaxInt32), patience: g.options.ReadTimeout, memory: g.options.Bodies.Share()}
	if methods[method] == auth.Open {
		m.limit = min(m.limit, maxOpenMessage)
	}
	m.cancel, _ = ctx.Value(cancelKey{}).(context.CancelCauseFunc)
	stream := grpc.ServerTransportStreamFromContext(ctx)
	var ok bool
	if m.source, ok = stream.(source); !ok || m.cancel == nil {
		return nil, fmt.Errorf("server: the stream of a call is a %T, which can't be read as it arrives", stream)
	}
	return m, nil
}

// decode reads the message into v.
func (m *message) decode(ctx context.Context, v any) error {
	data, compressed, err := m.receive(ctx)
	if err == nil && compressed {
		data, err = m.decompress(data)
	}
	if err != nil {
		return err
	}
	defer data.Free()
	if err := (boundedCodec{}).Unmarshal(data, v); err != nil {
		return invalid("the message can't be read: %w", err)
	}
	return nil
}

var errSlow = runtime.Errorf(runtime.Deadline, "the message arrived too slowly")

// receive reads what the client sends to its end, in time.
func (m *message) receive(ctx context.Context) (data mem.BufferSlice, compressed bool, err error) {
	pace := wire.Pace{Began: time.Now(), Patience: m.patience}
	m.timer = time.AfterFunc(m.patience, func() { m.cancel(errSlow) })
	data, compressed, err = m.read(ctx, pace)
	if !m.timer.Stop() {
		err = errSlow
	}
	if err != nil {
		data.Free()
		return nil, false, err
	}
	return data, compressed, nil
}

// read reads the prefix of the message, its bytes, and the end of the call. The timer is
// moved as bytes arrive.
func (m *message) read(ctx context.Context, pace wire.Pace) (data mem.BufferSlice, compressed bool, err error) {
	var prefix [5]byte // whether the message is compressed, and its length
	if err := m.fill(ctx, prefix[:]); err != nil {
		return nil, false, err
	}
	compressed = prefix[0] != 0
	length := int64(binary.BigEndian.Uint32(prefix[1:]))
	if length > m.limit {
		return nil, false, m.errTooLong()
	}
	for read := int64(0); read < length; {
		n := min(wire.MinRate, length-read)
		part, err := m.readPart(ctx, n)
		if err != nil {
			return data, false, err
		}
		data = append(data, part)
		read += n
		if !m.timer.Reset(time.Until(pace.Deadline(read))) {
			return data, false, errSlow
		}
	}
	return data, compressed, m.readEnd(ctx)
}

// readPart reads the next n bytes, which it counts first.
func (m *message) readPart(ctx context.Context, n int64) (mem.Buffer, error) {
	if err := m.memory.Add(n); err != nil {
		return nil, err
	}
	pool := mem.DefaultBufferPool()
	p := pool.Get(int(n))
	if err := m.fill(ctx, *p); err != nil {
		pool.Put(p)
		return nil, err
	}
	return mem.NewBuffer(p, pool), nil
}

// fill fills p with the next bytes of the call.
func (m *message) fill(ctx context.Context, p []byte) error {
	err := m.source.ReadMessageHeader(p)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return invalid("the call ended before its message did")
}

// readEnd waits until the client says that it sends no more.
func (m *message) readEnd(ctx context.Context) error {
	var more [1]byte
	err := m.source.ReadMessageHeader(more[:])
	switch {
	case err == io.EOF:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return invalid("the call has more than one message")
}

func (m *message) errTooLong() error {
	return grpcstatus.Errorf(codes.ResourceExhausted, "the message is longer than the limit of %d bytes", m.limit)
}
