package wire

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"

	"eigenserve/runtime"
)

// AcceptEncoding is the value of the header Accept-Encoding that names the codings which
// Decode reads.
const AcceptEncoding = "gzip, deflate"

// decoderMemory is about how many bytes a decoder takes for itself.
const decoderMemory = 80 << 10

// ParseCoding reads a header Content-Encoding. coding is "" for a body that is sent as it
// is. ok is false for a coding, or several, that Decode does not read.
func ParseCoding(header string) (coding string, ok bool) {
	switch coding = strings.ToLower(strings.TrimSpace(header)); coding {
	case "", "identity":
		return "", true
	case "gzip", "x-gzip":
		return "gzip", true
	case "deflate":
		return coding, true
	}
	return "", false
}

// MaxEncoded returns how long a body may be when it is sent if it may have limit bytes
// when it is decoded: bytes that can't be compressed take slightly more.
func MaxEncoded(limit int64) int64 { return limit + limit/1024 + 1024 }

// Decoder reads a compressed body. It counts the decoded bytes as they come, and fails
// when they exceed a limit or the memory of all bodies.
type Decoder struct {
	coding string
	source source
	sent   *bufio.Reader // of source
	limit  int64
	memory *Share

	decoded io.Reader // nil before the first read
	read    int64
	err     error
}

// NewDecoder returns a decoder of a coding that ParseCoding returned.
func NewDecoder(coding string, from io.Reader, limit int64, memory *Share) *Decoder {
	d := &Decoder{coding: coding, source: source{from: from}, limit: limit, memory: memory}
	d.sent = bufio.NewReader(&d.source)
	return d
}

// source remembers the error of a reader, since decoders may return another one.
type source struct {
	from io.Reader
	err  error // nil at the end
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != io.EOF {
		s.err = err
	}
	return n, err
}

// Read implements io.Reader. It returns io.EOF only after the end of both the decoded and
// the encoded body. Errors of the source are returned as they are.
func (d *Decoder) Read(p []byte) (n int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err = d.next(p)
	d.read += int64(n)
	d.err = d.readError(err)
	if err := d.memory.Add(int64(n)); err != nil && (d.err == nil || d.err == io.EOF) {
		d.err = err
	}
	return n, d.err
}

// next reads from the decoder, which it makes first if there is none.
func (d *Decoder) next(p []byte) (n int, err error) {
	if d.decoded == nil {
		if err := d.memory.Add(decoderMemory); err != nil {
			return 0, err
		}
		if d.decoded, err = d.open(); err != nil {
			return 0, noEOF(err)
		}
	}
	return d.decoded.Read(p)
}

// open reads the start of the body. Some clients send "deflate" without the frame of
// zlib that the standard asks for.
func (d *Decoder) open() (io.Reader, error) {
	if d.coding == "gzip" {
		return gzip.NewReader(d.sent)
	}
	head, err := d.sent.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(d.sent)
	}
	return flate.NewReader(d.sent), nil
}

// noEOF returns io.ErrUnexpectedEOF for io.EOF: a compressed body is never empty.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readError returns the error of a read in which the decoder returned err.
func (d *Decoder) readError(err error) error {
	if d.read > d.limit {
		return runtime.Errorf(runtime.TooLarge, "the body is longer than the limit of %d bytes when it is decompressed", d.limit)
	}
	if err == nil || errors.As(err, new(*runtime.Error)) {
		return err
	}
	if err == io.EOF {
		if _, err := d.sent.ReadByte(); err == io.EOF {
			return io.EOF
		}
	}
	if d.source.err != nil {
		return d.source.err
	}
	return runtime.Errorf(runtime.Invalid, "the body is not valid %s, which its Content-Encoding says it is", d.coding)
}
