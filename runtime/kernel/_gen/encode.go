package main

import "strings"

// Instructions that Go's assembler does not know, as bytes.

func (a *asm) bytesOf(comment string, code ...byte) {
	parts := make([]string, len(code))
	for i, b := range code {
		const digits = "0123456789abcdef"
		parts[i] = "BYTE $0x" + string(digits[b>>4]) + string(digits[b&15])
	}
	a.o("%s // %s", strings.Join(parts, "; "), comment)
}

// dotBF16 writes VDPBF16PS: sum += w·x over pairs of BF16, 512 bits wide.
func (a *asm) dotBF16(w, x, sum int) {
	inverted := func(register, bit int) byte { return byte(^register >> bit & 1) }
	a.bytesOf("VDPBF16PS "+a.r(w)+", "+a.r(x)+", "+a.r(sum),
		0x62,
		inverted(sum, 3)<<7|inverted(w, 4)<<6|inverted(w, 3)<<5|inverted(sum, 4)<<4|0x02, // map 0F38
		byte(^x&15)<<3|0x04|0x02, // W0, prefix F3
		0x40|inverted(x, 4)<<3,   // 512 bits
		0x52, 0xc0|byte(sum&7)<<3|byte(w&7))
}
