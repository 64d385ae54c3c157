package fault_test

import (
	"errors"
	"strings"
	"testing"

	"eigenserve/runtime/fault"
)

func divide(a, b int) int { return a / b }

func TestCatch(t *testing.T) {
	if err := fault.Catch(func() error { return nil }); err != nil {
		t.Errorf("a success returns %v", err)
	}
	broken := errors.New("broken")
	if err := fault.Catch(func() error { return broken }); err != broken {
		t.Errorf("a failure returns %v", err)
	}
	zero := 0
	err := fault.Catch(func() error {
		_ = divide(1, zero)
		return nil
	})
	var coded *fault.Error
	if !errors.As(err, &coded) || coded.Code != fault.Internal {
		t.Fatalf("a panic returns %v", err)
	}
	for _, want := range []string{"panic: runtime error: integer divide by zero\n", "panic_test.go"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}
