package oip

import (
	"compress/zlib"
	"io"
	"sync"

	"google.golang.org/grpc/encoding"
)

// deflate is gRPC's compression of that name: the format of zlib. The library itself has
// gzip only. A client that uses it gets its answers compressed in the same way.
type deflate struct{ writers sync.Pool }

func init() { encoding.RegisterCompressor(&deflate{}) }

// Name implements encoding.Compressor.
func (d *deflate) Name() string { return "deflate" }

// Compress implements encoding.Compressor.
func (d *deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := d.writers.Get().(*zlib.Writer); ok {
		z.Reset(w)
		return pooledWriter{z, &d.writers}, nil
	}
	return pooledWriter{zlib.NewWriter(w), &d.writers}, nil
}

// Decompress implements encoding.Compressor.
func (d *deflate) Decompress(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }

// pooledWriter returns its writer to a pool when it is closed.
type pooledWriter struct {
	*zlib.Writer
	pool *sync.Pool
}

func (w pooledWriter) Close() error {
	defer w.pool.Put(w.Writer)
	return w.Writer.Close()
}
