package oip

import (
	"io"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// decompress returns what a compressed message holds, and frees the message.
func (m *message) decompress(compressed mem.BufferSlice) (mem.BufferSlice, error) {
	defer m.memory.Sub(int64(compressed.Len()))
	defer compressed.Free()
	c := encoding.GetCompressor(m.source.RecvCompress())
	if c == nil {
		return nil, invalid("the message is compressed in a way that is unknown or not named")
	}
	from := compressed.Reader()
	defer from.Close()
	r, err := c.Decompress(from)
	if err != nil {
		return nil, invalid("the message can't be decompressed: %w", err)
	}
	if z, ok := r.(io.Closer); ok {
		defer z.Close()
	}
	data, err := mem.ReadAll(&countingReader{from: r, message: m}, mem.DefaultBufferPool())
	if err != nil {
		data.Free()
		return nil, err
	}
	return data, nil
}

// countingReader reads the decompressed bytes of a message. It counts them, and fails when
// they exceed the limit of the message or the memory of all messages.
type countingReader struct {
	from    io.Reader
	message *message
	read    int64
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if c.read += int64(n); c.read > c.message.limit {
		return n, c.message.errTooLong()
	}
	if err := c.message.memory.Add(int64(n)); err != nil {
		return n, err
	}
	if err != nil && err != io.EOF {
		err = invalid("the message can't be decompressed: %w", err)
	}
	return n, err
}
