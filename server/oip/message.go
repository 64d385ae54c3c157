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

// openMessage is how long a message may be where no token is asked for: it has a name
// at most, and Watch keeps it until the caller leaves.
const openMessage = 1 << 10

// source gives the bytes of a call as they come. The library would read a message to
// its end before it tells of it. Its stream has these methods without promising them:
// a version that lacks them fails every test of a call.
type source interface {
	// ReadMessageHeader fills p with the next bytes, whatever they are; io.EOF: there
	// are none.
	ReadMessageHeader(p []byte) error
	// RecvCompress names how a message is packed.
	RecvCompress() string
}

// message reads the one message of a call, as body does for HTTP: never more than its
// limit, never slower than wire.MinRate, and counted before there is memory for it.
type message struct {
	source   source
	limit    int64
	patience time.Duration // for a client that sends nothing
	pace     wire.Pace
	giveUp   context.CancelCauseFunc
	memory   wire.Share

	head [5]byte     // whether it is packed, and its length
	read int64       // bytes of it as it was sent
	late *time.Timer // gives the call up
}

// giveUpKey is where a call's context has what ends it.
type giveUpKey struct{}

// withGiveUp lets a call be ended while its message is waited for: that heeds only the
// context that the library is given here.
func withGiveUp(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	return context.WithValue(ctx, giveUpKey{}, giveUp), nil
}

// newMessage is a call's message, of which nothing is read yet.
func (s *GRPC) newMessage(ctx context.Context, method string) (*message, error) {
	m := &message{limit: min(s.options.MessageLimit, math.MaxInt32), patience: s.options.ReadTimeout, memory: s.options.Bodies.Share()}
	if methods[method] == auth.Open {
		m.limit = min(m.limit, openMessage)
	}
	m.giveUp, _ = ctx.Value(giveUpKey{}).(context.CancelCauseFunc)
	stream := grpc.ServerTransportStreamFromContext(ctx)
	var ok bool
	if m.source, ok = stream.(source); !ok || m.giveUp == nil {
		return nil, fmt.Errorf("server: a call's stream is a %T, which can't be read as it comes", stream)
	}
	return m, nil
}

// decode reads the message into v.
func (m *message) decode(ctx context.Context, v any) error {
	data, err := m.receive(ctx)
	if err == nil && m.head[0] != 0 {
		data, err = m.unpack(data)
	}
	if err != nil {
		return err
	}
	defer data.Free()
	if err := (frugalCodec{}).Unmarshal(data, v); err != nil {
		return invalid("the message can't be read: %w", err)
	}
	return nil
}

var errSlow = runtime.Errorf(runtime.Deadline, "the message came too slowly")

// receive reads what the client sends, to its end and in time.
func (m *message) receive(ctx context.Context) (data mem.BufferSlice, err error) {
	m.pace, m.late = wire.Pace{Began: time.Now(), Patience: m.patience}, time.AfterFunc(m.patience, func() { m.giveUp(errSlow) })
	length, err := m.length(ctx)
	for m.read = 0; err == nil && m.read < length; {
		var part mem.Buffer
		if part, err = m.part(ctx, min(wire.MinRate, length-m.read)); err == nil {
			data = append(data, part)
		}
	}
	if err == nil {
		err = m.end(ctx)
	}
	if !m.late.Stop() {
		err = errSlow
	}
	if err != nil {
		data.Free()
		return nil, err
	}
	return data, nil
}

// length reads the head, and refuses a message by the length that it tells.
func (m *message) length(ctx context.Context) (int64, error) {
	if err := m.fill(ctx, m.head[:]); err != nil {
		return 0, err
	}
	n := int64(binary.BigEndian.Uint32(m.head[1:]))
	if n > m.limit {
		return 0, m.tooLong()
	}
	return n, nil
}

// part reads the next n bytes, which earn the client more time as those of a body do.
func (m *message) part(ctx context.Context, n int64) (mem.Buffer, error) {
	if err := m.memory.Add(n); err != nil {
		return nil, err
	}
	pool := mem.DefaultBufferPool()
	p := pool.Get(int(n))
	if err := m.fill(ctx, *p); err != nil {
		pool.Put(p)
		return nil, err
	}
	m.read += n
	if !m.late.Reset(time.Until(m.pace.Deadline(m.read))) {
		return nil, errSlow
	}
	return mem.NewBuffer(p, pool), nil
}

// fill reads the next bytes of the message.
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

// end waits until the client says that it sends no more.
func (m *message) end(ctx context.Context) error {
	var more [1]byte
	err := m.source.ReadMessageHeader(more[:])
	switch {
	case err == io.EOF:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return invalid("the call brings more than one message")
}

func (m *message) tooLong() error {
	return grpcstatus.Errorf(codes.ResourceExhausted, "the message is longer than the %d bytes that are allowed here", m.limit)
}
