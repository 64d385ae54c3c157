package tensorfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eigenserve/store/tensorfile"
)

// A file is written atomically and read from a memory mapping.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	weights := tensorfile.FromFloat32("BF16", []int{2, 2}, []float32{1, -2, 0.5, 4})
	if err := tensorfile.WriteFile(path, map[string]tensorfile.Tensor{"weights": weights}, map[string]string{"format": "pt"}); err != nil {
		log.Fatal(err)
	}
	f, err := tensorfile.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	t, _ := f.Tensor("weights")
	values := make([]float32, t.Len())
	if err := t.Float32(values); err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Names(), t.DType, t.Shape, values, f.Metadata["format"])
	// Output: [weights] BF16 [2 2] [1 -2 0.5 4] pt
}
