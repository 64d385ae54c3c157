package store

import (
	"encoding/json"
	"fmt"
	"io"

	"eigenserve/store/tensorfile"
)

// Both formats are safetensors files whose __metadata__ holds "format",
// "version", "basis" (the digest of the basis that a variant stands on) and
// "header", everything else as one JSON object.

func encode(w io.Writer, format, basis string, h any, tensors map[string]tensorfile.Tensor) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	meta := map[string]string{"format": format, "version": version, "header": string(raw)}
	if basis != "" {
		meta["basis"] = basis
	}
	return tensorfile.Encode(w, tensors, meta)
}

func header(f *tensorfile.File, format string, h any) error {
	if has := f.Metadata["format"]; has != format {
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, has, format)
	}
	if has := f.Metadata["version"]; has != version {
		return fmt.Errorf("%w: %s version %q; this program reads version %s", ErrFormat, format, has, version)
	}
	if err := json.Unmarshal([]byte(f.Metadata["header"]), h); err != nil {
		return fmt.Errorf("%w: header: %v", ErrFormat, err)
	}
	return nil
}
