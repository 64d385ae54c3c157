package oip

import (
	"encoding/json"
	"testing"
)

// Numbers are flat or nested as the shape; another layout has as many numbers.
func TestNestedData(t *testing.T) {
	for _, c := range []struct {
		shape shape
		data  string
		ok    bool
	}{
		{shape{1, 1, 2, 3}, "[1,2,3,4,5,6]", true},
		{shape{1, 1, 2, 3}, "[[[[1,2,3],[4,5,6]]]]", true},
		{shape{1, 1, 2, 3}, "[ [ [ [1 , 2,3],\n[4,5,6] ] ] ]", true},
		{shape{2, 1, 1, 1}, "[[[[1]]],[[[2]]]]", true},
		{shape{1, 1, 2, 3}, "[[[[1],[2],[3]],[[4],[5],[6]]]]", false}, // channels last
		{shape{1, 1, 2, 3}, "[[[[1,2],[3,4],[5,6]]]]", false},
		{shape{1, 1, 2, 3}, "[[1,2,3],[4,5,6]]", false},
		{shape{1, 1, 2, 3}, "[[[[[1,2,3],[4,5,6]]]]]", false},
		{shape{1, 1, 2, 3}, "[[[[1,2,3],[4,5]]],6]", false},
		{shape{1, 1, 2, 3}, "[1,2,3,[4,5,6]]", false},
		{shape{1, 1, 2, 3}, "[[[[1,2,3],[4,5,6]]],[]]", false},
		{shape{1, 1, 2, 3}, "[1,2,3,4,5]", false},
		{shape{1, 1, 2, 3}, "[]", false},
	} {
		x := tensor{name: "pixel_values", datatype: FP32, shape: c.shape}
		n := int(c.shape[0] * c.shape[1] * c.shape[2] * c.shape[3])
		if err := x.readJSON(json.RawMessage(c.data), n); (err == nil) != c.ok {
			t.Errorf("%s in %v: %v", c.data, c.shape, err)
		}
	}
}
