//go:build unix

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestServerOutlivesItsLogReader closes the pipe that a server logs to, and the one that
// it announces itself on. It must keep answering, and exit with 0 when it is stopped.
func TestServerOutlivesItsLogReader(t *testing.T) {
	for _, args := range [][]string{
		{"serve", "--store", emptyStore(t), "--addr", "127.0.0.1:0"},
		{"serve", "--store", emptyStore(t), "--addr", "127.0.0.1:0", "--log-format", "json"},
		{"demo", "--access-log", "--addr", "127.0.0.1:0"},
	} {
		t.Run(strings.Join(args[:1], " "), func(t *testing.T) {
			cmd := childCommand(t, args...)
			errs, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			addr := announced(t, bufio.NewReader(out))
			out.Close()
			errs.Close()
			for i := range 5 {
				res, err := http.Get("http://" + addr + "/v1/models?limit=1")
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("request %d: %s", i, res.Status)
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// TestOtherCommandsEndWithTheirReader has a command write to a pipe that nobody reads: it
// ends by SIGPIPE without a word, as commands in a pipeline do.
func TestOtherCommandsEndWithTheirReader(t *testing.T) {
	for _, args := range [][]string{
		{"settings"}, {"ls", "--store", emptyStore(t)}, {"serve", "--store", emptyStore(t), "--check-config"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		var errs strings.Builder
		cmd := childCommand(t, args...)
		cmd.Stdout, cmd.Stderr = w, &errs
		err = cmd.Run()
		w.Close()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGPIPE || errs.String() != "" {
			t.Errorf("%s: %v, %q", strings.Join(args, " "), err, errs.String())
		}
	}
}

// childCommand returns a command that runs the program in a process.
func childCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	return cmd
}

// announced reads what a server prints up to the address that it listens on.
func announced(t *testing.T, out *bufio.Reader) (addr string) {
	t.Helper()
	read := ""
	for {
		line, err := out.ReadString('\n')
		read += line
		if found := regexp.MustCompile(`http://([^/\s]+)`).FindStringSubmatch(line); found != nil {
			if _, _, err := net.SplitHostPort(found[1]); err == nil {
				return found[1]
			}
		}
		if err != nil {
			t.Fatal(fmt.Errorf("the server prints %q: %w", read, err))
		}
	}
}
