package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file returns a file with a header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

// one returns the header of a single tensor.
func one(name, dtype, shape, offsets string) string {
	return fmt.Sprintf(`{%s:{"dtype":%s,"shape":%s,"data_offsets":%s}}`, name, dtype, shape, offsets)
}

// two returns the header of two U8 tensors of four bytes with the given offsets.
func two(a, b string) string {
	const entry = `{"dtype":"U8","shape":[4],"data_offsets":%s}`
	return fmt.Sprintf(`{"a":`+entry+`,"b":`+entry+`}`, a, b)
}

var refusals = []struct {
	name string
	file []byte
	says string
}{
	{"an empty file", nil, "the file has 0 bytes"},
	{"three bytes", []byte{1, 0, 0}, "the file has 3 bytes"},
	{"a header of 2^63 bytes", binary.LittleEndian.AppendUint64(nil, 1<<63), "the header claims 9223372036854775808 bytes, the limit is 100000000"},
	{"a header one byte over the limit", binary.LittleEndian.AppendUint64(nil, maxHeader+1), "the limit is 100000000"},
	{"a header longer than the file", append(binary.LittleEndian.AppendUint64(nil, 10), "{}"...), "claims 10 bytes, but only 2 follow: the file is truncated"},
	{"an empty header", file("", 0), "does not begin with '{'"},
	{"a header that begins with a space", file(" {}", 0), "does not begin with '{'"},
	{"an array", file("[]", 0), "does not begin with '{'"},
	{"bytes that are not UTF-8", file("{\"\xff\":1}", 0), "not valid UTF-8"},
	{"JSON that ends early", file(`{"a":`, 0), "ends too early"},
	{"an object that is not closed", file(`{"a":{"dtype":"U8"`, 0), "ends too early"},
	{"broken JSON", file(`{"a" 1}`, 0), "JSON at byte"},
	{"a trailing comma", file(`{"__metadata__":{},}`, 0), "JSON at byte"},
	{"text after the object", file(`{} {}`, 0), "text after the header's object, at byte 2"},
	{"a tensor that is a number", file(`{"a":1}`, 0), `tensor "a": expected an object`},
	{"a tensor that is null", file(`{"a":null}`, 0), `tensor "a": expected an object`},
	{"a tensor named twice", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `"a" is repeated`},
	{"a tensor named twice, once escaped", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `"a" is repeated`},
	{"an empty name", file(one(`""`, `"U8"`, `[4]`, `[0,4]`), 4), "the name is empty"},
	{"a name with a NUL", file(one(`"a\u0000"`, `"U8"`, `[4]`, `[0,4]`), 4), "the name contains a NUL"},
	{"a name that is too long", file(one(`"`+strings.Repeat("n", maxNameLen+1)+`"`, `"U8"`, `[4]`, `[0,4]`), 4), `…: the name has 1025 bytes, the limit is 1024`},
	{"an unknown type", file(one(`"a"`, `"F8_E4M3"`, `[4]`, `[0,4]`), 4), `tensor "a": unsupported element type "F8_E4M3"`},
	{"a type that is a number", file(one(`"a"`, `8`, `[4]`, `[0,4]`), 4), "dtype is not a string"},
	{"no type", file(`{"a":{"shape":[4],"data_offsets":[0,4]}}`, 4), "dtype, shape and data_offsets are required"},
	{"no shape", file(`{"a":{"dtype":"U8","data_offsets":[0,4]}}`, 4), "dtype, shape and data_offsets are required"},
	{"no offsets", file(`{"a":{"dtype":"U8","shape":[4]}}`, 4), "dtype, shape and data_offsets are required"},
	{"a repeated field", file(`{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4), `tensor "a": "dtype" is repeated`},
	{"an unknown field", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"sparse":1}}`, 4), `unknown field "sparse"`},
	{"a shape that is a number", file(one(`"a"`, `"U8"`, `4`, `[0,4]`), 4), "shape: expected an array"},
	{"a negative dimension", file(one(`"a"`, `"U8"`, `[-4]`, `[0,4]`), 4), "shape: \"-4\" is not a whole number"},
	{"a dimension with a fraction", file(one(`"a"`, `"U8"`, `[4.5]`, `[0,4]`), 4), "\"4.5\" is not a whole number"},
	{"a dimension with an exponent", file(one(`"a"`, `"U8"`, `[4e0]`, `[0,4]`), 4), "\"4e0\" is not a whole number"},
	{"a dimension of 2^64", file(one(`"a"`, `"U8"`, `[18446744073709551616]`, `[0,4]`), 4), "is not a whole number from 0 to 2^64-1"},
	{"a dimension of 2^63", file(one(`"a"`, `"U8"`, `[9223372036854775808]`, `[0,4]`), 4), "dimension 9223372036854775808 is too large"},
	{"a dimension in quotes", file(one(`"a"`, `"U8"`, `["4"]`, `[0,4]`), 4), "shape: 4 is not a number"},
	{"33 dimensions", file(one(`"a"`, `"U8"`, `[1`+strings.Repeat(",1", 32)+`]`, `[0,1]`), 1), "shape: more than 32 numbers"},
	{"a shape whose size overflows to 0", file(one(`"a"`, `"U8"`, `[4294967296,4294967296]`, `[0,0]`), 0), "is too large"},
	{"a shape whose bytes overflow", file(one(`"a"`, `"F64"`, `[2305843009213693952]`, `[0,0]`), 0), "is too large"},
	{"a huge shape with a zero", file(one(`"a"`, `"U8"`, `[4294967296,4294967296,0]`, `[0,0]`), 0), "is too large"},
	{"a shape of 2^59 without data", file(one(`"a"`, `"U8"`, `[576460752303423488]`, `[0,4]`), 4), "do not hold the 576460752303423488 bytes"},
	{"one offset", file(one(`"a"`, `"U8"`, `[4]`, `[4]`), 4), "data_offsets holds 1 numbers, not 2"},
	{"three offsets", file(one(`"a"`, `"U8"`, `[4]`, `[0,4,4]`), 4), "data_offsets: more than 2 numbers"},
	{"a negative offset", file(one(`"a"`, `"U8"`, `[4]`, `[-4,0]`), 4), "\"-4\" is not a whole number"},
	{"offsets in descending order", file(one(`"a"`, `"U8"`, `[4]`, `[4,0]`), 4), "[4,0] do not hold the 4 bytes of U8 [4]"},
	{"offsets that do not fit the shape", file(one(`"a"`, `"F32"`, `[4]`, `[0,15]`), 15), "[0,15] do not hold the 16 bytes of F32 [4]"},
	{"an offset beyond the file", file(two(`[0,4]`, `[4,8]`), 7), `tensor "b": data_offsets [4,8] reach beyond the file's 7 bytes of data`},
	{"offsets above 2^53", file(one(`"a"`, `"U8"`, `[4]`, `[9007199254740993,9007199254740997]`), 4), "[9007199254740993,9007199254740997] reach beyond"},
	{"two tensors at the same offsets", file(two(`[0,4]`, `[0,4]`), 4), "overlap the previous tensor, which ends at 4"},
	{"an overlap of one byte", file(two(`[0,4]`, `[3,7]`), 7), "[3,7] overlap the previous tensor, which ends at 4"},
	{"an empty tensor inside another", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 4), "overlap"},
	{"a gap at the start", file(one(`"a"`, `"U8"`, `[4]`, `[1,5]`), 5), "[1,5] leave a gap from byte 0"},
	{"a gap between two tensors", file(two(`[0,4]`, `[5,9]`), 9), "[5,9] leave a gap from byte 4"},
	{"data after the last tensor", file(two(`[0,4]`, `[4,8]`), 9), "1 bytes of data follow the last tensor, which ends at 8"},
	{"data without a tensor", file(`{}`, 1), "1 bytes of data follow the last tensor, which ends at 0"},
	{"metadata that is a string", file(`{"__metadata__":"x"}`, 0), "__metadata__: expected an object"},
	{"metadata that is null", file(`{"__metadata__":null}`, 0), "__metadata__: expected an object"},
	{"metadata with a number", file(`{"__metadata__":{"epoch":3}}`, 0), `__metadata__: the value of "epoch" is not a string`},
	{"metadata with an object", file(`{"__metadata__":{"epoch":{}}}`, 0), `__metadata__: the value of "epoch" is not a string`},
	{"metadata with a repeated key", file(`{"__metadata__":{"a":"1","a":"2"}}`, 0), `__metadata__: "a" is repeated`},
	{"repeated metadata", file(`{"__metadata__":{},"__metadata__":{}}`, 0), `"__metadata__" is repeated`},
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.file)
			if f != nil || !errors.Is(err, ErrHeader) {
				t.Fatalf("Parse returned %v and %v, want ErrHeader", f, err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("Parse returned %q, want it to contain %q", err, c.says)
			}
			path := filepath.Join(t.TempDir(), "a.safetensors")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err = Open(path)
			if f != nil || !errors.Is(err, ErrHeader) {
				t.Fatalf("Open returned %v and %v, want ErrHeader", f, err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open returned %q, want it to contain %q and the path", err, c.says)
			}
		})
	}
}

func TestUnknownType(t *testing.T) {
	_, err := Parse(file(one(`"a"`, `"C64"`, `[1]`, `[0,8]`), 8))
	if !errors.Is(err, ErrHeader) || !errors.Is(err, ErrDType) {
		t.Errorf("%v is not both ErrHeader and ErrDType", err)
	}
}

func TestOpenNoFile(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrHeader) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAccepted(t *testing.T) {
	cases := []struct {
		name string
		file []byte
		want []string
	}{
		{"no tensors", file(`{}`, 0), []string{}},
		{"padding after the object", file("{}  \n\t ", 0), []string{}},
		{"tensors out of order in the header", file(two(`[4,8]`, `[0,4]`), 8), []string{"a", "b"}},
		{"an empty tensor between two", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[0,9],"data_offsets":[1,1]},"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), []string{"a", "b", "c"}},
		{"a name that is not ASCII", file(one(`"ᰀ/\""`, `"U8"`, `[]`, `[0,1]`), 1), []string{`ᰀ/"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.file)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(f.Names()) != fmt.Sprint(c.want) {
				t.Errorf("names %v, want %v", f.Names(), c.want)
			}
		})
	}
}

// After a header of odd length every number is at an odd address.
func TestMisalignedData(t *testing.T) {
	b := file(one(`"aa"`, `"F64"`, `[1]`, `[0,8]`), 8)
	if (len(b)-8)%2 == 0 {
		t.Fatal("the data is aligned")
	}
	binary.LittleEndian.PutUint64(b[len(b)-8:], 0x3ff8000000000000)
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	tensor, _ := f.Tensor("aa")
	got := make([]float32, 1)
	if err := tensor.Float32(got); err != nil || got[0] != 1.5 {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range refusals {
		f.Add(c.file)
	}
	seed, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrHeader) {
				t.Fatalf("%v is not ErrHeader", err)
			}
			return
		}
		// A valid file can be read in full, written and read again.
		tensors := map[string]Tensor{}
		for _, name := range file.Names() {
			tensor, ok := file.Tensor(name)
			if !ok || tensor.check() != nil {
				t.Fatalf("tensor %q: %v, %v", name, ok, tensor.check())
			}
			tensors[name] = tensor
		}
		if _, err := Parse(encode(t, tensors, file.Metadata)); err != nil {
			t.Fatal(err)
		}
	})
}
