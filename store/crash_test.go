package store_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"eigenserve/store"
)

// crashDir is the environment variable that makes the test binary the child process of
// TestKilledWhileWriting.
const crashDir = "EIGENSERVE_TEST_CRASH_DIR"

// childFailed is the exit status of a child that ends without being killed.
const childFailed = 3

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, churn(dir))
		os.Exit(childFailed)
	}
	os.Exit(m.Run())
}

var (
	crashNames  = []string{"a", "b", "c"}
	crashLabels = []string{"one", "two", "three", "four"}
)

const crashAlias = "live"

// churn changes the store in dir until it is killed. Before each change it prints what it
// is about to do, and after it "done". The changes are "put name label", "drop name" (its
// current version), "delete name" and "point name" (the alias, to that name).
func churn(dir string) error {
	s, err := store.Create(dir)
	if err != nil {
		return err
	}
	if _, err := s.PutBasis(tinyBasis()); err != nil { // what the variants refer to
		return err
	}
	for {
		if err := changeSomething(s); err != nil {
			return err
		}
		if rand.IntN(8) == 0 {
			b := tinyBasis()
			b.RMS = rand.Float64()
			if _, err := s.PutBasis(b); err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
}

func changeSomething(s *store.Store) error {
	name, label := crashNames[rand.IntN(len(crashNames))], crashLabels[rand.IntN(len(crashLabels))]
	e, err := s.Entry(name)
	if err != nil || rand.IntN(2) == 0 {
		fmt.Println("put", name, label)
		v, raw := labelled(&testing.T{}, label) // does not fail
		_, _, err := s.PutVariant(name, v, raw)
		return err
	}
	versions, _ := s.Versions(name)
	alias, err := s.Alias(crashAlias)
	pointed := err == nil && alias.Targets[0].Model == name
	switch rand.IntN(4) {
	case 0:
		if !pointed {
			fmt.Println("delete", name)
			return s.DeleteVariant(name)
		}
	case 1:
		if !pointed || len(versions) > 1 {
			fmt.Println("drop", name)
			return s.DeleteVersion(name, e.Version)
		}
	}
	fmt.Println("point", name)
	_, err = s.PutAlias(store.Alias{Name: crashAlias, Targets: []store.Target{{Model: name, Weight: 1}}})
	return err
}

// A child process that changes a store is killed over and over, at any moment, and what it
// leaves behind is not cleaned up. Each time the store opens, every pointer leads to an
// intact file, and a name holds what the last finished change made it hold or what the
// interrupted one was about to.
func TestKilledWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	held := map[string]string{} // name to label
	kills, changes, until := 0, 0, time.Now().Add(3*time.Second)
	if testing.Short() {
		until = time.Now().Add(time.Second)
	}
	for ; kills < 60 && time.Now().Before(until); kills++ {
		lines := runAndKill(t, dir, time.Duration(rand.IntN(20_000))*time.Microsecond)
		underWay := ""
		for _, line := range lines {
			if line == "done" {
				apply(held, underWay)
				underWay = ""
				changes++
			} else {
				underWay = line
			}
		}
		s, err := store.Create(dir)
		if err != nil {
			t.Fatalf("kill %d: %v", kills, err)
		}
		checkIntact(t, s)
		now := stored(t, s)
		if maybe := apply(maps.Clone(held), underWay); fmt.Sprint(now) != fmt.Sprint(held) && fmt.Sprint(now) != fmt.Sprint(maybe) {
			t.Fatalf("kill %d: the store holds %v, before %q it held %v", kills, now, underWay, held)
		}
		held = now
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*", ".*.tmp"))
	t.Logf("%d kills, %d changes, %d temporary files left behind", kills, changes, len(left))
	if changes == 0 {
		t.Errorf("no change was finished before any of %d kills", kills)
	}
}

// runAndKill runs churn in a child process, waits for its first line and kills it after a
// while. It returns the complete lines that the child printed.
func runAndKill(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	first, err := r.ReadString('\n')
	time.Sleep(after)
	cmd.Process.Kill()
	rest, _ := io.ReadAll(r)
	cmd.Wait()
	if err != nil || cmd.ProcessState.ExitCode() == childFailed {
		t.Fatalf("the child ended by itself: %v, %v", cmd.ProcessState, err)
	}
	text := first + string(rest)
	return strings.Split(text[:strings.LastIndexByte(text, '\n')], "\n")
}

// apply applies one of churn's lines to what each name holds, the labels of its versions,
// oldest first, and to what the alias points to. It returns held.
func apply(held map[string]string, line string) map[string]string {
	verb, rest, _ := strings.Cut(line, " ")
	name, label, _ := strings.Cut(rest, " ")
	labels := strings.Fields(held[name])
	switch verb {
	case "put":
		if len(labels) == 0 || labels[len(labels)-1] != label {
			labels = append(labels, label)
		}
		labels = labels[max(0, len(labels)-store.DefaultKeep):]
	case "drop":
		labels = labels[:len(labels)-1]
	case "delete":
		labels = nil
	case "point":
		held[crashAlias] = name
		return held
	}
	if held[name] = strings.Join(labels, " "); len(labels) == 0 {
		delete(held, name)
	}
	return held
}

func stored(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	held := map[string]string{}
	for _, e := range s.Variants() {
		versions, err := s.Versions(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, e := range versions {
			v, err := s.ReadVariant(e.Digest)
			if err != nil {
				t.Fatal(err)
			}
			labels = append(labels, v.Labels[0])
		}
		held[e.Name] = strings.Join(labels, " ")
	}
	for _, a := range s.Aliases() {
		held[a.Name] = a.Targets[0].Model
	}
	return held
}
