// Package process runs this program again, as other processes: servers that are
// measured or killed, and commands beside them. It knows nothing about what they are
// measured for.
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

// stopTimeout is how long a server may take to stop before it is killed.
const stopTimeout = 10 * time.Second

// Server is a process that runs `eigenserve serve`.
type Server struct {
	URL         string
	StartupTime time.Duration // from the start until it listened

	cmd    *exec.Cmd
	stderr bytes.Buffer
}

var serverURL = regexp.MustCompile(`http://\S+`)

// StartServer starts a server on a free port and waits until it listens. args are
// further flags of serve.
func StartServer(ctx context.Context, args ...string) (*Server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: exec.CommandContext(ctx, exe, append([]string{"serve", "--addr", "127.0.0.1:0", "--access-log=false"}, args...)...)}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = stopTimeout
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.StartupTime = time.Since(start)
	if s.URL = serverURL.FindString(line); err != nil || s.URL == "" {
		s.Stop()
		return nil, fmt.Errorf("the server did not start: %s", bytes.TrimSpace(s.stderr.Bytes()))
	}
	return s, nil
}

// PID returns the process ID.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stderr returns what a server that has ended wrote to standard error.
func (s *Server) Stderr() []byte { return s.stderr.Bytes() }

// Kill ends the server as kill -9 does. It returns the largest resident set that
// the process had, in bytes, or 0 where the system does not tell.
func (s *Server) Kill() int64 {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	return peakRSS(s.cmd.ProcessState)
}

// Stop interrupts the server, waits until it has ended, and returns what Kill does.
func (s *Server) Stop() int64 {
	s.cmd.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		s.cmd.Process.Kill()
		<-ended
	}
	return peakRSS(s.cmd.ProcessState)
}

// ExitError returns an error if a server that has ended did not exit with status 0.
func (s *Server) ExitError() error {
	if !s.cmd.ProcessState.Success() {
		return errors.New("the server did not exit cleanly: " + s.cmd.ProcessState.String())
	}
	return nil
}

// Run runs a command of this program and returns what it wrote to standard output.
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
