package store

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"eigenserve/store/tensorfile"
)

// Both formats are safetensors files whose __metadata__ holds "format",
// "version", "basis" (the digest of the basis that a variant stands on) and a
// basis's "header", everything else as one JSON object. A variant's is packed.

// tensorSet gathers the tensors of a file. Names come from checkpoints, so two
// may meet; the zero value is empty.
type tensorSet struct {
	tensors map[string]tensorfile.Tensor
	twice   string // the first name that was added again
}

func (s *tensorSet) add(name string, t tensorfile.Tensor) {
	if s.tensors == nil {
		s.tensors = map[string]tensorfile.Tensor{}
	}
	if _, ok := s.tensors[name]; ok && s.twice == "" {
		s.twice = name
	}
	s.tensors[name] = t
}

func encode(w io.Writer, format, basis string, h any, set tensorSet) error {
	if set.twice != "" {
		return fmt.Errorf("%w: two tensors are named %q", ErrFormat, set.twice)
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

// header reads a file's header, packed or not: version 1 has all in the metadata.
func header(f *tensorfile.File, format string, h any) error {
	if has := f.Metadata["format"]; has != format {
		if format == VariantFormat && !strings.HasPrefix(has, "eigenserve.") {
			return fmt.Errorf("%w: it is no variant: if it is a checkpoint's, add the folder that it lies in, with its config.json", ErrFormat)
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
