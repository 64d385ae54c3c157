package checkpoint_test

import (
	"fmt"
	"log"

	"eigenserve/store/checkpoint"
)

// The folder was written by timm, but its tensors have the names of transformers.
func ExampleOpen() {
	c, err := checkpoint.Open("testdata/timm")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	head, ok := c.Tensor("classifier.weight")
	fmt.Println(c.Name, len(c.Names()), ok, head.DType, head.Shape)
	err = c.Check([]checkpoint.Spec{{Name: "classifier.weight", Shape: []int{-1, 16}}})
	fmt.Println(err != nil)
	// Output:
	// timm 40 true F32 [3 8]
	// true
}
