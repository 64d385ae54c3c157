package main

import (
	"strings"
	"testing"
)

// The expected bytes are those of the GNU assembler.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		write func(a *asm)
		want  string
	}{
		{func(a *asm) { a.tileZero(5) }, "c4 e2 7b 49 e8"},
		{func(a *asm) { a.tileLoad(4, rSI, r8) }, "c4 a2 7b 4b 24 06"},
		{func(a *asm) { a.tileLoad(5, r9, r8) }, "c4 82 7b 4b 2c 01"},
		{func(a *asm) { a.tileLoad(6, rDX, r10) }, "c4 a2 7b 4b 34 12"},
		{func(a *asm) { a.tileLoad(7, r11, r10) }, "c4 82 7b 4b 3c 13"},
		{func(a *asm) { a.tileDot(0, 4, 6) }, "c4 e2 4a 5c c4"},
		{func(a *asm) { a.tileDot(1, 4, 7) }, "c4 e2 42 5c cc"},
		{func(a *asm) { a.tileDot(2, 5, 6) }, "c4 e2 4a 5c d5"},
		{func(a *asm) { a.tileDot(3, 5, 7) }, "c4 e2 42 5c dd"},
		{func(a *asm) { a.tileStore(0, rDI, rCX) }, "c4 e2 7a 4b 04 0f"},
		{func(a *asm) { a.tileStore(1, r12, rCX) }, "c4 c2 7a 4b 0c 0c"},
		{func(a *asm) { a.dotBF16(24, 26, 0) }, "62 92 2e 40 52 c0"},
		{func(a *asm) { a.dotBF16(3, 5, 17) }, "62 e2 56 48 52 cb"},
		{func(a *asm) { a.cvtBF16(1, 2, 3) }, "62 f2 6f 48 72 d9"},
		{func(a *asm) { a.cvtBF16(24, 17, 30) }, "62 02 77 40 72 f0"},
	} {
		a := &asm{}
		c.write(a)
		text, comment, _ := strings.Cut(a.text.String(), " // ")
		got := strings.NewReplacer("BYTE $0x", "", ";", "").Replace(strings.TrimSpace(text))
		if got != c.want {
			t.Errorf("%s: got %s, want %s", strings.TrimSpace(comment), got, c.want)
		}
	}
}
