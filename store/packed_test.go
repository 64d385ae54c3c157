package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"eigenserve/store"
	"eigenserve/store/tensorfile"
)

func TestPackedHeaderRefusals(t *testing.T) {
	whole := bytesOf(t, tinyVariant(t))
	packed := func(header string) []byte {
		x, err := store.Pack([]byte(header))
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
	for _, c := range []struct {
		name   string
		packed []byte
		says   string
	}{
		{"nothing", nil, "header: "},
		{"not deflated", bytes.Repeat([]byte{0xff}, 64), "header: "},
		{"cut short", packed(strings.Repeat(`{"name":"cats"}`, 9))[:8], "header: "},
		{"not JSON", packed("{"), "header: "},
		{"a large header", packed(strings.Repeat(" ", 5<<20)), "more than 4194304 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := tensorfile.Parse(whole)
			if err != nil {
				t.Fatal(err)
			}
			p := &parts{meta: f.Metadata, tensors: map[string]tensorfile.Tensor{}}
			for _, name := range f.Names() {
				p.tensors[name], _ = f.Tensor(name)
			}
			p.tensors["header"] = tensorfile.Tensor{DType: "U8", Shape: []int{len(c.packed)}, Data: c.packed}
			if _, err := store.ParseVariant(p.together(t)); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v containing %q", err, store.ErrFormat, c.says)
			}
		})
	}
}
