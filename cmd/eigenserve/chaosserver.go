package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// mortal is a server that is killed and started again. Each life has an address
// of its own.
type mortal struct {
	args []string
	lock sync.RWMutex // held for reading by changes, for writing from a death until all is checked
	life atomic.Pointer[life]
	// deaths counts the kills, odd from a kill until the next life.
	deaths atomic.Int64
	peak   int64 // the most memory that a life had resident
	log    []byte
}

// life is one process of the server.
type life struct {
	*client
	process *serverProcess
	began   time.Time
}

// start begins a life.
func (m *mortal) start(ctx context.Context) error {
	p, err := startServing(ctx, m.args...)
	if err != nil {
		return err
	}
	c, err := newClient(p.url)
	if err != nil {
		p.stop()
		return err
	}
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	c.http.Timeout = 5 * time.Minute // what takes longer hangs, however slow the machine
	m.life.Store(&life{client: c, process: p, began: time.Now()})
	return nil
}

// kill ends the life as kill -9 does, in the middle of whatever it does.
func (m *mortal) kill() {
	m.deaths.Add(1)
	l := m.life.Load()
	l.process.cmd.Process.Kill()
	l.process.cmd.Wait()
	m.buried(l, peakRSS(l.process.cmd.ProcessState))
}

// stop ends the life in an orderly way, and tells if it did not end so.
func (m *mortal) stop() error {
	m.deaths.Add(1)
	l := m.life.Load()
	m.buried(l, l.process.stop())
	if !l.process.cmd.ProcessState.Success() {
		return errors.New("the server did not end well: " + l.process.cmd.ProcessState.String())
	}
	return nil
}

func (m *mortal) buried(l *life, peak int64) {
	l.http.CloseIdleConnections()
	m.peak = max(m.peak, peak)
	m.log = append(m.log, l.process.errs.Bytes()...)
}

// revive begins the next life.
func (m *mortal) revive(ctx context.Context) error {
	err := m.start(ctx)
	m.deaths.Add(1)
	return err
}

// excused tells whether a request that began when there had been so many deaths
// may have got no answer: its server was killed.
func (m *mortal) excused(deaths int64) bool {
	return deaths&1 == 1 || m.deaths.Load() != deaths
}
