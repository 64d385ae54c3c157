package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// serverProcess is `eigenserve serve` as a process of its own, so that its
// memory is not the load generator's.
type serverProcess struct {
	cmd  *exec.Cmd
	url  string
	errs bytes.Buffer
	// Started is how long it took until it listened.
	started time.Duration
}

var listening = regexp.MustCompile(`http://\S+`)

// startServing runs this program as a server on a free port.
func startServing(ctx context.Context, args ...string) (*serverProcess, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &serverProcess{cmd: exec.CommandContext(ctx, exe, append([]string{"serve", "--addr", "127.0.0.1:0", "--access-log=false"}, args...)...)}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p.started = time.Since(began)
	if p.url = listening.FindString(line); err != nil || p.url == "" {
		p.stop()
		return nil, fmt.Errorf("the server did not start: %s", bytes.TrimSpace(p.errs.Bytes()))
	}
	return p, nil
}

// stop ends the server, and gives the most memory that it ever had resident,
// where the system tells.
func (p *serverProcess) stop() int64 {
	p.cmd.Process.Signal(os.Interrupt)
	wait := make(chan error, 1)
	go func() { wait <- p.cmd.Wait() }()
	select {
	case <-wait:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-wait
	}
	return peakRSS(p.cmd.ProcessState)
}

var errNoModels = errors.New("the server has no models to ask")
