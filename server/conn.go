package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// connections keeps account of the listeners and open connections of a server,
// so that stopping it leaves none behind.
type connections struct {
	most      int        // open at once
	mu        sync.Mutex // guards the rest
	listeners []*listener
	open      map[*conn]struct{}
	closed    bool
}

// listen takes a listener in, unless the server is stopping.
func (s *connections) listen(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners = append(s.listeners, l)
	return true
}

// add takes a connection in, unless as many are open as may be.
func (s *connections) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most {
		return false
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[c] = struct{}{}
	return true
}

func (s *connections) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// refuse closes the listeners, and the connections on which no byte has come
// yet: browsers open some in advance, and nothing is lost with them.
func (s *connections) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.open {
		if !c.used.Load() {
			_ = c.Conn.Close()
		}
	}
}

// closeAll cuts off every connection that is left.
func (s *connections) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Conn.Close()
	}
}

// listener hands out its connections as conns. It may be closed twice: by us and
// by the HTTP library, which takes an error there for a failed stop.
type listener struct {
	net.Listener
	conns *connections
	log   *slog.Logger
	once  sync.Once
	err   error
	away  chan struct{} // holds a token for each connection that is being turned away
}

// awayAtOnce is how many connections over the limit are told so at once; others are
// just closed.
const awayAtOnce = 64

func newListener(l net.Listener, conns *connections, log *slog.Logger) *listener {
	return &listener{Listener: l, conns: conns, log: log, away: make(chan struct{}, awayAtOnce)}
}

func (l *listener) Accept() (net.Conn, error) {
	for pause := firstPause; ; {
		c, err := l.Listener.Accept()
		if passes(err) {
			if pause == firstPause {
				l.log.Error("no connection can be accepted for now", "error", err.Error())
			}
			time.Sleep(pause)
			pause = min(2*pause, longestPause)
			continue
		}
		if err != nil {
			return nil, err
		}
		pause = firstPause
		tracked := &conn{Conn: c, conns: l.conns}
		if l.conns.add(tracked) {
			return tracked, nil
		}
		l.turnAway(tracked)
	}
}

// How long is waited for what passes: files may be closed at any time.
const firstPause, longestPause = 5 * time.Millisecond, 500 * time.Millisecond

// passes tells whether accepting may work again by itself, as it does where the process
// had as many files open as it may. The HTTP library would end the server.
func passes(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// full is the answer to a connection over the limit.
const full = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 77\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" +
	`{"error":"as many connections are open as the server takes: try again later"}`

// turnAway says on a connection why it is closed. It doesn't wait for that.
func (l *listener) turnAway(c *conn) {
	select {
	case l.away <- struct{}{}:
	default:
		_ = c.Conn.Close()
		return
	}
	go func() {
		defer func() { <-l.away }()
		_ = c.SetDeadline(time.Now().Add(lingerTime))
		c.linger.Store(true)
		_, _ = io.WriteString(c.Conn, full)
		_ = c.Close()
	}()
}

func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 * mib
)

// conn adds to a connection what the HTTP library doesn't tell: that the client
// has gone while its request is answered, that a body was cut off, and a close
// that lets an answer arrive although its request was not read to the end.
type conn struct {
	net.Conn
	conns  *connections
	used   atomic.Bool // a byte has come
	ended  atomic.Bool // nothing more will come: the client closed, or the line broke
	linger atomic.Bool // unread bytes may lie in the socket when it is closed

	// ahead is a byte that watch has read; only the goroutine that reads the
	// connection uses it, and watch's own, never both at a time.
	ahead    [1]byte
	hasAhead bool
}

func (c *conn) Read(p []byte) (int, error) {
	if c.hasAhead && len(p) > 0 {
		p[0], c.hasAhead = c.ahead[0], false
		return 1, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.used.Store(true)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.ended.Store(true)
	}
	return n, err
}

// SetReadDeadline and SetWriteDeadline report nothing: they fail only on a closed
// connection, which the next read or write tells, and the library panics on it.
func (c *conn) SetReadDeadline(t time.Time) error {
	_ = c.Conn.SetReadDeadline(t)
	return nil
}

// SetWriteDeadline is as SetReadDeadline.
func (c *conn) SetWriteDeadline(t time.Time) error {
	_ = c.Conn.SetWriteDeadline(t)
	return nil
}

// watch calls gone when the client closes the connection. It must not be read
// until stop has returned. A client that sends its next request before it has
// the answer is not watched any further.
func (c *conn) watch(gone func()) (stop func()) {
	if c.hasAhead {
		return func() {}
	}
	_ = c.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err := c.Read(c.ahead[:])
		c.hasAhead = n == 1
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			gone()
		}
	}()
	return func() {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		<-done
		_ = c.SetReadDeadline(time.Time{})
	}
}

// Close closes the connection. Closing a socket that holds unread bytes resets
// it, and the client may lose the answer that explains why; so with linger set,
// some of what still comes is read and dropped first.
func (c *conn) Close() error {
	c.conns.remove(c)
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if c.linger.Swap(false) && ok && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}
