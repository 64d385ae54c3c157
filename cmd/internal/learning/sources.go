package learning

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"eigenserve/cmd/internal/cli"
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// Source is a checkpoint on the command line.
type Source struct {
	Name  string // what its variant is called
	Path  string
	Named bool // it was given as NAME=PATH
}

// ParseSources reads arguments of the form PATH or NAME=PATH. A path that exists is one,
// even if it contains "=". If there are several arguments, plain files that cannot be part
// of a checkpoint are skipped, with a line on w: a pattern such as checkpoints/* finds them.
func ParseSources(w io.Writer, args []string) ([]Source, error) {
	var out []Source
	for _, arg := range args {
		s, err := parseSource(arg)
		if err != nil {
			return nil, err
		}
		if len(args) > 1 && s.isStray() {
			fmt.Fprintf(w, "eigenserve: skipped %s: a checkpoint is a folder\n", arg)
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of the %d arguments is a checkpoint", len(args))
	}
	return out, checkSources(out)
}

func parseSource(arg string) (Source, error) {
	name, path, named := strings.Cut(arg, "=")
	if _, err := os.Stat(arg); err == nil || !named {
		return Source{Name: nameOf(arg), Path: arg}, nil
	}
	if err := store.CheckName(name); err != nil {
		if _, statErr := os.Stat(path); statErr != nil { // a path that contains "="
			return Source{Name: nameOf(arg), Path: arg}, nil
		}
		return Source{}, cli.Usagef("%s: %w", arg, err)
	}
	if path == "" {
		return Source{}, cli.Usagef("%s: a folder must follow the name", arg)
	}
	return Source{Name: name, Path: path, Named: true}, nil
}

// nameOf returns the name of a checkpoint's folder, or of a file without its extension.
func nameOf(path string) string {
	return strings.TrimSuffix(checkpoint.NameOf(path), ".safetensors")
}

// isStray reports whether the source is a plain file that is no weights.
func (s Source) isStray() bool {
	switch strings.ToLower(filepath.Ext(s.Path)) {
	case ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".gguf":
		return false
	}
	info, err := os.Stat(s.Path)
	return err == nil && info.Mode().IsRegular() && !s.Named
}

// checkSources refuses two sources of one name.
func checkSources(sources []Source) error {
	seen := map[string]string{}
	for _, s := range sources {
		if other, ok := seen[s.Name]; ok {
			return fmt.Errorf("%s and %s are both called %q: give one another name, such as %s=%s", other, s.Path, s.Name, suggestName(s), s.Path)
		}
		seen[s.Name] = s.Path
	}
	return nil
}

// suggestName returns another name for a source: that of its parent folder, and its own.
func suggestName(s Source) string {
	if absolute, err := filepath.Abs(s.Path); err == nil {
		name := filepath.Base(filepath.Dir(absolute)) + "-" + s.Name
		if store.CheckName(name) == nil {
			return name
		}
	}
	return "NAME"
}
