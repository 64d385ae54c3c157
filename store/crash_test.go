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

// crashDir tells the test binary that it is the child of TestKilledWhileWriting.
const crashDir = "EIGENSERVE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, churn(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var (
	crashNames  = []string{"a", "b", "c"}
	crashLabels = []string{"one", "two", "three", "four"}
)

// churn changes the store in dir for ever. Before each change it says what it is
// about to do, "name label" or "name" to delete, and when it is done, "done".
func churn(dir string) error {
	s, err := store.Create(dir)
	if err != nil {
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
	if _, err := s.Entry(name); err == nil && rand.IntN(4) == 0 {
		fmt.Println(name)
		return s.DeleteVariant(name)
	}
	fmt.Println(name, label)
	v, raw := labelled(&testing.T{}, label) // of sound parts: it can't fail
	_, _, err := s.PutVariant(name, v, raw)
	return err
}

// A store is written by a child that is killed at any moment, over and over, its
// debris left where it lies. Each time the store opens, every pointer leads to a
// sound file, and a name holds what the last finished change gave it or what the
// one under way was about to.
func TestKilledWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	held := map[string]string{} // name to label
	kills, until := 0, time.Now().Add(3*time.Second)
	if testing.Short() {
		until = time.Now().Add(time.Second)
	}
	for ; kills < 60 && time.Now().Before(until); kills++ {
		lines := killed(t, dir, time.Duration(rand.IntN(20_000))*time.Microsecond)
		underWay := ""
		for _, line := range lines {
			if line == "done" {
				change(held, underWay)
				underWay = ""
			} else {
				underWay = line
			}
		}
		s, err := store.Create(dir)
		if err != nil {
			t.Fatalf("kill %d: %v", kills, err)
		}
		checkWhole(t, s)
		now := holds(t, s)
		if maybe := change(maps.Clone(held), underWay); fmt.Sprint(now) != fmt.Sprint(held) && fmt.Sprint(now) != fmt.Sprint(maybe) {
			t.Fatalf("kill %d: the store holds %v, before %q it held %v", kills, now, underWay, held)
		}
		held = now
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*", ".*.tmp"))
	t.Logf("%d kills, %d temporary files left behind", kills, len(left))
}

// killed runs churn, lets it begin and kills it after a while; it gives the
// whole lines that the child wrote.
func killed(t *testing.T, dir string, after time.Duration) []string {
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
	if err != nil {
		t.Fatalf("the child ended by itself: %v", err)
	}
	text := first + string(rest)
	return strings.Split(text[:strings.LastIndexByte(text, '\n')], "\n")
}

// change applies one of churn's lines.
func change(held map[string]string, line string) map[string]string {
	name, label, put := strings.Cut(line, " ")
	delete(held, name)
	if put {
		held[name] = label
	}
	return held
}

func holds(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	held := map[string]string{}
	for _, e := range s.Variants() {
		v, err := s.ReadVariant(e.Digest)
		if err != nil {
			t.Fatal(err)
		}
		held[e.Name] = v.Labels[0]
	}
	return held
}
