package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// tritonPython is the variable that names a Python with tritonclient; .ci/run makes one.
const tritonPython = "TRITONCLIENT_PYTHON"

// TestTritonClient uses the public client of the Open Inference Protocol on the demo, over
// HTTP and gRPC.
func TestTritonClient(t *testing.T) {
	python := os.Getenv(tritonPython)
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import tritonclient.http, tritonclient.grpc").CombinedOutput(); err != nil {
		t.Skipf("no tritonclient in %s (%s names another Python): %s", python, tritonPython, bytes.TrimSpace(out))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var out, errs safeBuffer
	listening, ended := make(chan string, 1), make(chan int, 1)
	m := &Main{Stdout: &out, Stderr: &errs, Listening: func(addr string) { listening <- addr }}
	go func() {
		ended <- m.Run(ctx, []string{"demo", "--compute", "f32", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"})
	}()
	var addr string
	select {
	case addr = <-listening:
	case status := <-ended:
		t.Fatalf("the demo ended with status %d: %s", status, errs.String())
	}
	find := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(out.String())
		if found == nil {
			t.Fatalf("the demo does not print %s: %s", pattern, out.String())
		}
		return found[1]
	}
	image, model, file := find(`--data-binary @(\S+\.png)`), find(`/v1/models/([\w.-]+)/classify`), find(`-X PUT --data-binary @(\S+)`)
	got, err := exec.Command(python, "testdata/triton.py", addr, find(`gRPC at (\S+)`), model, image, file).CombinedOutput()
	if err != nil || strings.TrimSpace(string(got)) != "ok" {
		t.Errorf("%v: %s", err, got)
	}
	stop()
	if status := <-ended; status != 0 {
		t.Errorf("the demo ended with status %d: %s", status, errs.String())
	}
}
