package learning_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eigenserve/cmd/internal/learning"
)

func TestParseSources(t *testing.T) {
	t.Chdir(t.TempDir())
	hash := strings.Repeat("0123456789", 4)
	for _, dir := range []string{"a/checkpoint-500", "b/checkpoint-500", "lr=0.1/best", "x=y", "hub/models--org--vit/snapshots/" + hash, "hub/models--org--other/snapshots/" + hash} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"notes.txt", "model.safetensors", "a/config.json"} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want string // "name path" of each, or what the error says
		says string // on the writer
	}{
		"folders":                    {[]string{"a", "b/"}, "a a, b b/", ""},
		"names":                      {[]string{"first=a/checkpoint-500", "second=b/checkpoint-500"}, "first a/checkpoint-500, second b/checkpoint-500", ""},
		"one name twice":             {[]string{"a/checkpoint-500", "b/checkpoint-500"}, `a/checkpoint-500 and b/checkpoint-500 are both called "checkpoint-500": give one another name, such as b-checkpoint-500=b/checkpoint-500`, ""},
		"one folder twice":           {[]string{"a", "a"}, `a and a are both called "a"`, ""},
		"one name of two":            {[]string{"a", "a=b"}, `a and b are both called "a"`, ""},
		"one of two named":           {[]string{"a/checkpoint-500", "b=b/checkpoint-500"}, "checkpoint-500 a/checkpoint-500, b b/checkpoint-500", ""},
		"the path has an =":          {[]string{"lr=0.1/best", "x=y"}, "best lr=0.1/best, x=y x=y", ""},
		"the path has an =, named":   {[]string{"z=lr=0.1/best", "w=x=y"}, "z lr=0.1/best, w x=y", ""},
		"the Hub's cache":            {[]string{"hub/models--org--vit/snapshots/" + hash, "hub/models--org--other/snapshots/" + hash}, "vit hub/models--org--vit/snapshots/" + hash + ", other hub/models--org--other/snapshots/" + hash, ""},
		"a bad name":                 {[]string{"bad name=a"}, `bad name=a: bad name "bad name"`, ""},
		"a path that does not exist": {[]string{"no/x=1"}, "x=1 no/x=1", ""},
		"no folder":                  {[]string{"x="}, "a folder must follow the name", ""},
		"a stray file":               {[]string{"a", "notes.txt", "b"}, "a a, b b", "eigenserve: skipped notes.txt: a checkpoint is a folder\n"},
		"a stray file alone":         {[]string{"notes.txt"}, "notes.txt notes.txt", ""},
		"stray files alone":          {[]string{"notes.txt", "a/config.json"}, "none of the 2 arguments is a checkpoint", "eigenserve: skipped notes.txt: a checkpoint is a folder\neigenserve: skipped a/config.json: a checkpoint is a folder\n"},
		"a file that was named":      {[]string{"a", "n=notes.txt"}, "a a, n notes.txt", ""},
		"weights":                    {[]string{"a", "model.safetensors"}, "a a, model model.safetensors", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var says strings.Builder
			sources, err := learning.ParseSources(&says, c.args)
			var got []string
			for _, s := range sources {
				got = append(got, s.Name+" "+filepath.ToSlash(s.Path))
			}
			text := strings.Join(got, ", ")
			if err != nil {
				text = err.Error()
			}
			if err == nil && text != c.want || !strings.Contains(text, c.want) {
				t.Errorf("%q, want %q", text, c.want)
			}
			if says.String() != c.says {
				t.Errorf("says %q, want %q", says.String(), c.says)
			}
		})
	}
}
