package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Server is `eigenserve serve` as a process of its own, so that its
// memory is not the load generator's.
type Server struct {
	cmd    *exec.Cmd
	URL    string
	stderr bytes.Buffer
	// Started is how long it took until it listened.
	StartupTime time.Duration
}

var listening = regexp.MustCompile(`http://\S+`)

// StartServer runs this program as a server on a free port.
func StartServer(ctx context.Context, args ...string) (*Server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Server{cmd: exec.CommandContext(ctx, exe, append([]string{"serve", "--addr", "127.0.0.1:0", "--access-log=false"}, args...)...)}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p.StartupTime = time.Since(began)
	if p.URL = listening.FindString(line); err != nil || p.URL == "" {
		p.Stop()
		return nil, fmt.Errorf("the server did not start: %s", bytes.TrimSpace(p.stderr.Bytes()))
	}
	return p, nil
}

// PID is the process's number.
func (p *Server) PID() int { return p.cmd.Process.Pid }

// Kill ends the server as kill -9 does.
func (p *Server) Kill() int64 {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	return peakRSS(p.cmd.ProcessState)
}

// ExitError is how a server that has ended did so.
func (p *Server) ExitError() error {
	if !p.cmd.ProcessState.Success() {
		return errors.New("the server did not end well: " + p.cmd.ProcessState.String())
	}
	return nil
}

// Stderr is what the server wrote to standard error.
func (p *Server) Stderr() []byte { return p.stderr.Bytes() }

// Stop ends the server, and gives the most memory that it ever had resident,
// where the system tells.
func (p *Server) Stop() int64 {
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

// Run runs this program to its end.
func Run(ctx context.Context, args ...string) ([]byte, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, exe, args...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		err = fmt.Errorf("%s: %s", args[0], strings.TrimSpace(string(failed.Stderr)))
	}
	return out, err
}
