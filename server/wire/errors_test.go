package wire_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

func TestEveryCodeHasStatuses(t *testing.T) {
	for code := runtime.Internal + 1; code <= runtime.Refused; code++ {
		known, s, ok := wire.Lookup(fmt.Errorf("outer: %w", runtime.Errorf(code, "text")))
		if !ok || known.Text != "text" || s.REST < 400 || s.OIP < 400 || s.GRPC == codes.OK {
			t.Errorf("code %d: %v, %+v, %t", code, known, s, ok)
		}
	}
	for _, err := range []error{runtime.Errorf(runtime.Internal, "text"), &runtime.Error{Code: 99}, errors.New("text")} {
		if _, _, ok := wire.Lookup(err); ok {
			t.Errorf("%#v is shown to callers", err)
		}
	}
}

func TestReference(t *testing.T) {
	for _, test := range []struct{ name, version, want string }{
		{"birds", "", "birds"},
		{"birds", "3", "birds:3"},
		{"birds", "0", ""},
		{"birds", "-1", ""},
		{"birds", "new", ""},
		{"birds", "2147483648", ""},
	} {
		got, err := wire.Reference(test.name, test.version)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q, %q: got %q, %v", test.name, test.version, got, err)
		}
	}
}

func TestBudget(t *testing.T) {
	b := wire.NewBudget(100)
	first, second := b.Share(), b.Share()
	if err := first.Add(100); err != nil {
		t.Fatal(err)
	}
	if err := second.Add(1); wire.CodeOf(err) != runtime.Busy || wire.RetryAfter(err) != 1 {
		t.Errorf("over the budget: %v", err)
	}
	first.Sub(60)
	if err := second.Add(59); err != nil || b.Held() != 100 {
		t.Errorf("within the budget: %v, %d held", err, b.Held())
	}
	first.Release()
	second.Release()
	if b.Held() != 0 {
		t.Errorf("%d are held at the end", b.Held())
	}
}

func TestPace(t *testing.T) {
	p := wire.Pace{Began: time.Unix(1000, 0), Patience: 30 * time.Second}
	for read, want := range map[int64]int64{0: 1030, wire.MinRate - 1: 1030, wire.MinRate: 1031, 10 * wire.MinRate: 1040} {
		if got := p.Deadline(read).Unix(); got != want {
			t.Errorf("after %d bytes: %d, want %d", read, got, want)
		}
	}
}
