package chaos

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/cmd/internal/client"
	"eigenserve/cmd/internal/process"
)

// supervisor runs a server that is killed and restarted. Each instance has an address
// of its own.
type supervisor struct {
	args    []string
	current atomic.Pointer[instance]
	// epoch counts kills and restarts: it is odd while the server is down.
	epoch atomic.Int64
	// quiesce is held for reading during a write, and for writing from a kill until
	// the restarted server has been checked.
	quiesce sync.RWMutex

	// What the instances that have ended left.
	peak int64 // the largest resident set, in bytes
	log  []byte
}

// instance is one process of the server.
type instance struct {
	*client.Client
	process *process.Server
	started time.Time
}

// requestTimeout is when a request counts as hanging, even on a slow machine.
const requestTimeout = 5 * time.Minute

// start starts an instance.
func (s *supervisor) start(ctx context.Context) error {
	p, err := process.StartServer(ctx, s.args...)
	if err != nil {
		return err
	}
	c, err := client.New(p.URL)
	if err != nil {
		p.Stop()
		return err
	}
	c.HTTP.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	c.HTTP.Timeout = requestTimeout
	s.current.Store(&instance{Client: c, process: p, started: time.Now()})
	return nil
}

// kill ends the instance as kill -9 does.
func (s *supervisor) kill() {
	s.epoch.Add(1)
	i := s.current.Load()
	s.reap(i, i.process.Kill())
}

// stop ends the instance, and returns an error if it does not exit cleanly.
func (s *supervisor) stop() error {
	s.epoch.Add(1)
	i := s.current.Load()
	s.reap(i, i.process.Stop())
	return i.process.ExitError()
}

// reap keeps the log and the peak of an instance that has ended.
func (s *supervisor) reap(i *instance, peak int64) {
	i.HTTP.CloseIdleConnections()
	s.peak = max(s.peak, peak)
	s.log = append(s.log, i.process.Stderr()...)
}

// restart starts the next instance after kill or stop.
func (s *supervisor) restart(ctx context.Context) error {
	err := s.start(ctx)
	s.epoch.Add(1)
	return err
}

// killedSince reports whether the server was down at, or killed after, an epoch: a
// request of that epoch may have got no answer.
func (s *supervisor) killedSince(epoch int64) bool {
	return epoch&1 == 1 || s.epoch.Load() != epoch
}
