package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
)

// childVariable makes the test binary run as the program, so that tests can start and
// kill it.
const childVariable = "TEST_AS_EIGENSERVE"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// startServer runs `eigenserve serve` in a process and returns its address.
func startServer(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "serve", "--store", dir, "--addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	found := regexp.MustCompile(`http://(\S+)`).FindStringSubmatch(line)
	if err != nil || found == nil {
		kill()
		t.Fatalf("serve prints %q (%v): %s", line, err, errs.String())
	}
	return found[1], kill
}

// ask classifies an image and returns the answer and the variant that it names.
func ask(t *testing.T, addr, name string) (status int, body []byte, variant string) {
	t.Helper()
	res, err := http.Post("http://"+addr+"/v1/models/"+name+"/classify", "image/png", bytes.NewReader(synth.NoisePNG(32, 32)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.Bytes(), res.Header.Get("Eigenserve-Variant")
}

// TestHotAddSurvivesKill adds a checkpoint to a running server, cuts another upload off and
// kills the server. The first must be there afterwards, and nothing of the second.
func TestHotAddSurvivesKill(t *testing.T) {
	fitted, unseen := zooFolders(t, "models", 50), zooFolders(t, "unseen", 1)[0]
	name := filepath.Base(unseen)
	dir := filepath.Join(t.TempDir(), "store")
	must(t, append([]string{"fit", "--store", dir, "--family", "glyphs"}, fitted...)...)

	addr, kill := startServer(t, dir)
	if status, body, _ := ask(t, addr, name); status != http.StatusNotFound || !json.Valid(body) {
		t.Fatalf("before it is added: status %d, %s", status, body)
	}
	must(t, "add", "--server", addr, "--family", "glyphs", unseen)
	status, first, variant := ask(t, addr, name)
	if status != http.StatusOK || !strings.HasPrefix(variant, name+"@") {
		t.Fatalf("after it is added: status %d, variant %q, %s", status, variant, first)
	}
	cutOff(t, addr, filepath.Join(dir, "blobs", strings.TrimPrefix(variant, name+"@")+".safetensors"))
	kill()

	addr, kill = startServer(t, dir)
	defer kill()
	status, again, sameVariant := ask(t, addr, name)
	if status != http.StatusOK || sameVariant != variant || !bytes.Equal(first, again) {
		t.Errorf("after the kill: status %d, variant %q and %q, %s and %s", status, sameVariant, variant, again, first)
	}
	var list []runtime.VariantInfo
	decode(t, must(t, "ls", "--server", addr, "--json"), &list)
	if len(list) != len(fitted)+1 {
		t.Errorf("after the kill there are %d models, not %d", len(list), len(fitted)+1)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if want := 2*(len(fitted)+1) + 2; len(files) != want { // a blob and a pointer for each, and for the family
		t.Errorf("the store has %d files, not %d: %v", len(files), want, files)
	}
}

// cutOff sends half of a variant file and hangs up.
func cutOff(t *testing.T, addr, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT /v1/models/half HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", addr, len(raw))
	if _, err := conn.Write(raw[:len(raw)/2]); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if status, body, _ := ask(t, addr, "half"); status != http.StatusNotFound {
		t.Errorf("half an upload answers: status %d, %s", status, body)
	}
}
