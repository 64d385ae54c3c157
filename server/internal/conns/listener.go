package conns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// listener accepts the connections of a Set. It may be closed twice: by the set and by
// the HTTP library, which takes an error there for a failed stop.
type listener struct {
	net.Listener
	set      *Set
	once     sync.Once
	err      error
	refusals chan struct{} // has an element for each refusal under way
}

// maxRefusals is how many connections over the limit are answered at once; others are
// closed without an answer.
const maxRefusals = 64

// How long to wait after a temporary failure to accept.
const firstPause, longestPause = 5 * time.Millisecond, 500 * time.Millisecond

// Accept waits for the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for pause := firstPause; ; {
		c, err := l.Listener.Accept()
		if isTemporary(err) {
			if pause == firstPause {
				l.set.log.Error("cannot accept connections for now", "error", err.Error())
			}
			time.Sleep(pause)
			pause = min(2*pause, longestPause)
			continue
		}
		if err != nil {
			return nil, err
		}
		pause = firstPause
		tracked := &Conn{Conn: c, set: l.set}
		if l.set.add(tracked) {
			return tracked, nil
		}
		l.refuse(tracked)
	}
}

// isTemporary reports whether accepting may work again by itself, as when the process
// has reached its limit of open files. The HTTP library would end the server.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

const refusalBody = `{"error":"too many connections are open; try again later"}`

// refusal is the answer to a connection over the limit.
var refusal = fmt.Sprintf("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
	"Retry-After: 1\r\nConnection: close\r\n\r\n%s", len(refusalBody), refusalBody)

// refuse answers a connection over the limit and closes it. It does not wait for that.
func (l *listener) refuse(c *Conn) {
	select {
	case l.refusals <- struct{}{}:
	default:
		_ = c.Conn.Close()
		return
	}
	go func() {
		defer func() { <-l.refusals }()
		_ = c.SetDeadline(time.Now().Add(lingerTime))
		c.Linger()
		_, _ = io.WriteString(c.Conn, refusal)
		_ = c.Close()
	}()
}

// Close closes the listener once.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}
