package store

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"eigenserve/store/tensorfile"
)

// Both formats are safetensors files whose __metadata__ holds "format", "version", and
// in a variant "basis", the digest of its basis. Everything else is one JSON object, the
// header: in the metadata of a basis, and as a packed tensor of a variant.

// tensorSet collects the tensors of a file. The zero value is empty. The names come from
// checkpoints, so two may collide.
type tensorSet struct {
	tensors   map[string]tensorfile.Tensor
	duplicate string // the first name that was added twice
}

func (s *tensorSet) add(name string, t tensorfile.Tensor) {
	if s.tensors == nil {
		s.tensors = map[string]tensorfile.Tensor{}
	}
	if _, ok := s.tensors[name]; ok && s.duplicate == "" {
		s.duplicate = name
	}
	s.tensors[name] = t
}

func encode(w io.Writer, format, basis string, h any, set tensorSet) error {
	if set.duplicate != "" {
		return fmt.Errorf("%w: two tensors are named %q", ErrFormat, set.duplicate)
	}
	meta := map[string]string{"format": format, "version": version}
	if basis != "" {
		meta["basis"] = basis
	}
	if h != nil {
		raw, err := json.Marshal(h)
		if err != nil {
			return err
		}
		meta["header"] = string(raw)
	}
	return tensorfile.Encode(w, set.tensors, meta)
}

// header reads a file's header. A variant of version 1 has it in the metadata.
func header(f *tensorfile.File, format string, h any) error {
	if has := f.Metadata["format"]; has != format {
		if format == VariantFormat && !strings.HasPrefix(has, "eigenserve.") {
			return fmt.Errorf("%w: it is not a variant; if it belongs to a checkpoint, add the checkpoint's folder, with its config.json", ErrFormat)
		}
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, has, format)
	}
	if has := f.Metadata["version"]; has != version && has != "1" {
		return fmt.Errorf("%w: %s version %q; this program reads versions 1 and %s", ErrFormat, format, has, version)
	}
	raw := []byte(f.Metadata["header"])
	if t, ok := f.Tensor(packedTensor); ok && len(raw) == 0 && format == VariantFormat {
		var err error
		if raw, err = unpack(t.Data); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(raw, h); err != nil {
		return fmt.Errorf("%w: header: %v", ErrFormat, err)
	}
	return nil
}
