package main

import (
	"fmt"
	"strings"
)

// Instructions that Go's assembler does not know, as bytes.

func (a *asm) bytesOf(comment string, code ...byte) {
	parts := make([]string, len(code))
	for i, b := range code {
		parts[i] = fmt.Sprintf("BYTE $0x%02x", b)
	}
	a.o("%s // %s", strings.Join(parts, "; "), comment)
}

// inverted is a bit of a register's number as VEX and EVEX prefixes hold it.
func inverted(register, bit int) byte { return byte(^register >> bit & 1) }

// dotBF16 writes VDPBF16PS: sum += w·x over pairs of BF16, 512 bits wide.
func (a *asm) dotBF16(w, x, sum int) {
	a.bytesOf(fmt.Sprintf("VDPBF16PS Z%d, Z%d, Z%d", w, x, sum),
		0x62,
		inverted(sum, 3)<<7|inverted(w, 4)<<6|inverted(w, 3)<<5|inverted(sum, 4)<<4|0x02, // map 0F38
		byte(^x&15)<<3|0x04|0x02, // W0, prefix F3
		0x40|inverted(x, 4)<<3,   // 512 bits
		0x52, 0xc0|byte(sum&7)<<3|byte(w&7))
}

// tileMemory writes TILELOADD or TILESTORED, told apart by the prefix's last
// byte: rows at base, index bytes apart. Base is not R13 or BP, which have no
// form without a displacement.
func (a *asm) tileMemory(name string, prefix byte, tile, base, index int) {
	a.bytesOf(fmt.Sprintf("%s tmm%d, r%d, r%d", name, tile, base, index),
		0xc4, 0x80|inverted(index, 3)<<6|inverted(base, 3)<<5|0x02, prefix, 0x4b,
		byte(tile)<<3|0x04, byte(index&7)<<3|byte(base&7))
}

func (a *asm) tileLoad(tile, base, index int)  { a.tileMemory("TILELOADD", 0x7b, tile, base, index) }
func (a *asm) tileStore(tile, base, index int) { a.tileMemory("TILESTORED", 0x7a, tile, base, index) }

func (a *asm) tileZero(tile int) {
	a.bytesOf(fmt.Sprintf("TILEZERO tmm%d", tile), 0xc4, 0xe2, 0x7b, 0x49, 0xc0|byte(tile)<<3)
}

// tileDot writes TDPBF16PS: sum += x·w.
func (a *asm) tileDot(sum, x, w int) {
	a.bytesOf(fmt.Sprintf("TDPBF16PS tmm%d, tmm%d, tmm%d", sum, x, w),
		0xc4, 0xe2, byte(^w&15)<<3|0x02, 0x5c, 0xc0|byte(sum)<<3|byte(x))
}
