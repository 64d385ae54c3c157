package oip

import (
	"io"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// unpack gives what a packed message holds, and frees that.
func (m *message) unpack(packed mem.BufferSlice) (mem.BufferSlice, error) {
	defer m.memory.Sub(int64(packed.Len()))
	defer packed.Free()
	c := encoding.GetCompressor(m.source.RecvCompress())
	if c == nil {
		return nil, invalid("the message is compressed, and it isn't said how")
	}
	from := packed.Reader()
	defer from.Close()
	r, err := c.Decompress(from)
	if err != nil {
		return nil, invalid("the message can't be decompressed: %w", err)
	}
	if z, ok := r.(io.Closer); ok {
		defer z.Close()
	}
	data, err := mem.ReadAll(&unpacker{r, m, 0}, mem.DefaultBufferPool())
	if err != nil {
		data.Free()
		return nil, err
	}
	return data, nil
}

// unpacker reads what a packed message holds, within its limit and counted.
type unpacker struct {
	from    io.Reader
	message *message
	read    int64
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if u.read += int64(n); u.read > u.message.limit {
		return n, u.message.tooLong()
	}
	if err := u.message.memory.Add(int64(n)); err != nil {
		return n, err
	}
	if err != nil && err != io.EOF {
		err = invalid("the message can't be decompressed: %w", err)
	}
	return n, err
}
