package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eigenserve/runtime"
	"eigenserve/store/checkpoint"
	"eigenserve/store/tensorfile"
)

// shard writes a copy of a checkpoint with its weights split over two files.
func shard(t *testing.T, dir string) string {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, names := filepath.Join(t.TempDir(), filepath.Base(dir)), []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
	files, weightMap := []map[string]tensorfile.Tensor{{}, {}}, map[string]string{}
	for i, name := range c.Names() {
		files[i%2][name], _ = c.Tensor(name)
		weightMap[name] = names[i%2]
	}
	index, err := json.Marshal(map[string]any{"weight_map": weightMap})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		if err := tensorfile.WriteFile(filepath.Join(out, names[i]), file, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"config.json": c.Config, "preprocessor_config.json": c.Preprocessor, "model.safetensors.index.json": index} {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A checkpoint that cannot be added is reported by name, and the others are added, in a
// store and in a server. A server accepts a checkpoint in any number of files.
func TestAddAndRemoveContinue(t *testing.T) {
	own, foreign := makeCheckpoints(t, t.TempDir(), 4, 1), makeCheckpoints(t, filepath.Join(t.TempDir(), "x"), 1, 2)[0]
	other := filepath.Join(t.TempDir(), "foreign")
	if err := os.Rename(foreign, other); err != nil {
		t.Fatal(err)
	}
	missing, sharded := filepath.Join(t.TempDir(), "missing"), shard(t, own[3])
	stores := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	for _, dir := range stores {
		must(t, append([]string{"fit", "--store", dir, "--family", "f", "--metric", "none"}, own[:2]...)...)
	}
	r := runServe(t, "--store", stores[1])
	for i, where := range [][]string{{"--store", stores[0]}, {"--server", "http://" + r.addr}} {
		add := slices.Concat([]string{"add", "--family", "f"}, where, []string{other, own[2], missing, sharded})
		status, out, errs := program(t, add...)
		if status != 1 || strings.Count(out, "added small-") != 2 || strings.Count(errs, "\n") != 3 ||
			!strings.Contains(errs, other+": ") || !strings.Contains(errs, "another lineage") || !strings.Contains(errs, missing+": ") ||
			!strings.Contains(errs, "2 of 4 could not be added") || strings.Contains(errs, "is the server running") {
			t.Errorf("%s: status %d\n%s\n%s", where[0], status, out, errs)
		}
		var d runtime.VariantDetail
		decode(t, must(t, append([]string{"show", filepath.Base(sharded), "--json"}, where...)...), &d)
		c, err := checkpoint.Open(own[3])
		if err != nil {
			t.Fatal(err)
		}
		digest, err := c.Digest()
		if c.Close(); err != nil || d.Provenance.Checkpoint != digest {
			t.Errorf("%s: checkpoint %s, want %s (%v)", where[0], d.Provenance.Checkpoint, digest, err)
		}
		// Adding it again makes no new version.
		digest = d.Digest
		must(t, slices.Concat([]string{"add", "--family", "f"}, where, []string{sharded})...)
		decode(t, must(t, append([]string{"show", filepath.Base(sharded), "--json"}, where...)...), &d)
		if d.Digest != digest || d.Version != 1 {
			t.Errorf("%s: version %d, %s after %s", where[0], d.Version, d.Digest, digest)
		}

		rm := append([]string{"rm", "missing", filepath.Base(own[2])}, where...)
		if status, out, errs := program(t, rm...); status != 1 || out != "removed "+filepath.Base(own[2])+"\n" ||
			!strings.Contains(errs, `"missing"`) || !strings.Contains(errs, "1 of 2 could not be removed") {
			t.Errorf("%s: status %d\n%s\n%s", where[0], status, out, errs)
		}

		// An error that concerns all of them is reported once.
		add[2] = "none"
		if status, out, errs := program(t, add...); status != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, `no family "none"`) {
			t.Errorf("%d: status %d\n%s\n%s", i, status, out, errs)
		}
	}
	r.stop()
	if status := <-r.ended; status != 0 {
		t.Errorf("serve ended with status %d", status)
	}
	if status, _, errs := program(t, "add", "--family", "f", "--server", "http://"+r.addr, own[2], own[3]); status != 1 || strings.Count(errs, "is the server running") != 1 {
		t.Errorf("no server: status %d, %s", status, errs)
	}
}

// A damaged pointer is reported wherever models are listed, and the other models are
// still there.
func TestDamagedPointer(t *testing.T) {
	own, dir := makeCheckpoints(t, t.TempDir(), 4, 1), filepath.Join(t.TempDir(), "store")
	must(t, append([]string{"fit", "--store", dir, "--family", "f", "--metric", "none"}, own[:2]...)...)
	name := filepath.Base(own[0])
	must(t, "alias", "live", filepath.Base(own[1]), "--store", dir)
	if err := os.WriteFile(filepath.Join(dir, "models", name+".json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r := runServe(t, "--store", dir)
	for i, where := range [][]string{{"--store", dir}, {"--server", "http://" + r.addr}} {
		status, out, errs := program(t, slices.Concat([]string{"add", "--family", "f"}, where, []string{own[0], own[2+i]})...)
		if status != 1 || !strings.Contains(out, "added "+filepath.Base(own[2+i])) || !strings.Contains(errs, name+".json") || !strings.Contains(errs, "1 of 2") {
			t.Errorf("add %s: status %d\n%s\n%s", where[0], status, out, errs)
		}
		if status, _, errs := program(t, append([]string{"rm", name + ":1"}, where...)...); status != 1 || !strings.Contains(errs, "restore the file") {
			t.Errorf("rm %s: status %d, %s", where[0], status, errs)
		}
	}
	for _, command := range []string{"ls", "alias"} {
		if status, out, errs := program(t, command, "--store", dir); status != 0 || !strings.Contains(out, filepath.Base(own[1])) || !strings.Contains(errs, name+".json") {
			t.Errorf("%s: status %d\n%s\n%s", command, status, out, errs)
		}
	}
	must(t, "rm", name, "--server", "http://"+r.addr)
	must(t, "add", "--family", "f", "--store", dir, own[0])
	r.stop()
	if status := <-r.ended; status != 0 {
		t.Errorf("serve ended with status %d", status)
	}
}
