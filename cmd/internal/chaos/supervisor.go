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

// supervisor is a server that is killed and started again. Each life has an address
// of its own.
type supervisor struct {
	args    []string
	quiesce sync.RWMutex // held for reading by changes, for writing from a death until all is checked
	current atomic.Pointer[instance]
	// deaths counts the kills, odd from a kill until the next life.
	epoch atomic.Int64
	peak  int64 // the most memory that a life had resident
	log   []byte
}

// instance is one process of the server.
type instance struct {
	*client.Client
	process *process.Server
	started time.Time
}

// start begins a life.
func (m *supervisor) start(ctx context.Context) error {
	p, err := process.StartServer(ctx, m.args...)
	if err != nil {
		return err
	}
	c, err := client.New(p.URL)
	if err != nil {
		p.Stop()
		return err
	}
	c.HTTP.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	c.HTTP.Timeout = 5 * time.Minute // what takes longer hangs, however slow the machine
	m.current.Store(&instance{Client: c, process: p, started: time.Now()})
	return nil
}

// kill ends the life as kill -9 does, in the middle of whatever it does.
func (m *supervisor) kill() {
	m.epoch.Add(1)
	l := m.current.Load()
	m.reap(l, l.process.Kill())
}

// stop ends the life in an orderly way, and tells if it did not end so.
func (m *supervisor) stop() error {
	m.epoch.Add(1)
	l := m.current.Load()
	m.reap(l, l.process.Stop())
	return l.process.ExitError()
}

func (m *supervisor) reap(l *instance, peak int64) {
	l.HTTP.CloseIdleConnections()
	m.peak = max(m.peak, peak)
	m.log = append(m.log, l.process.Stderr()...)
}

// restart begins the next life.
func (m *supervisor) restart(ctx context.Context) error {
	err := m.start(ctx)
	m.epoch.Add(1)
	return err
}

// killedSince tells whether a request that began when there had been so many deaths
// may have got no answer: its server was killed.
func (m *supervisor) killedSince(deaths int64) bool {
	return deaths&1 == 1 || m.epoch.Load() != deaths
}
