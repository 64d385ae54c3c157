// Package conns keeps track of a server's connections: it limits how many are open,
// notices when a client leaves while its request is answered, and closes connections so
// that a last answer arrives. It knows of HTTP only how to say that there are too many.
package conns

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// How long, and for how many bytes, Close reads on for a client that still sends.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// Conn is a connection of a Set.
type Conn struct {
	net.Conn
	set    *Set
	used   atomic.Bool // a byte has arrived
	ended  atomic.Bool // nothing more will arrive
	linger atomic.Bool // Close reads on for a while

	// ahead is a byte that Watch has read. The goroutine that reads the connection
	// and that of Watch use it, never both at a time.
	ahead    [1]byte
	hasAhead bool
}

// Used reports whether any byte has arrived.
func (c *Conn) Used() bool { return c.used.Load() }

// Ended reports whether nothing more will arrive: the client has closed the connection,
// or it broke.
func (c *Conn) Ended() bool { return c.ended.Load() }

// Linger makes Close read and drop some of what still arrives first. Closing a socket
// that holds unread bytes resets the connection, and the client may lose the answer
// that says why.
func (c *Conn) Linger() { c.linger.Store(true) }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.hasAhead && len(p) > 0 {
		p[0], c.hasAhead = c.ahead[0], false
		return 1, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.used.Store(true)
	}
	if closed(err) {
		c.ended.Store(true)
	}
	return n, err
}

// closed reports whether an error of Read means that nothing more will arrive.
func closed(err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) }

// SetReadDeadline never returns an error: it fails only on a closed connection, which
// the next read notices, and the HTTP library panics on an error.
func (c *Conn) SetReadDeadline(t time.Time) error {
	_ = c.Conn.SetReadDeadline(t)
	return nil
}

// SetWriteDeadline never returns an error, as SetReadDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	_ = c.Conn.SetWriteDeadline(t)
	return nil
}

// Watch calls left when the client closes the connection. The connection must not be
// read until stop has returned. A client that sends its next request before it has the
// answer is watched no longer.
func (c *Conn) Watch(left func()) (stop func()) {
	if c.hasAhead {
		return func() {}
	}
	_ = c.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err := c.Read(c.ahead[:])
		c.hasAhead = n == 1
		if closed(err) {
			left()
		}
	}()
	return func() {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		<-done
		_ = c.SetReadDeadline(time.Time{})
	}
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.set.remove(c)
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if c.linger.Swap(false) && ok && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}
