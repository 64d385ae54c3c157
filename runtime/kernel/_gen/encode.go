package main

import (
	"fmt"
	"strings"
)

// Instructions that Go's assembler does not know are written as bytes.

// bytesOf writes an instruction's encoding, with its text as the comment.
func (a *asm) bytesOf(comment string, code ...byte) {
	parts := make([]string, len(code))
	for i, b := range code {
		parts[i] = fmt.Sprintf("BYTE $0x%02x", b)
	}
	a.o("%s // %s", strings.Join(parts, "; "), comment)
}

// inverted returns a bit of a register's number as VEX and EVEX prefixes hold it,
// inverted.
func inverted(register, bit int) byte { return byte(^register >> bit & 1) }

// dotBF16 writes VDPBF16PS: sum += w·x over pairs of BF16, 512 bits wide.
func (a *asm) dotBF16(w, x, sum int) { a.evex("VDPBF16PS", prefixF3, 0x52, w, x, sum) }

// cvtBF16 writes VCVTNE2PS2BF16: it rounds two registers of float32s to BF16, into
// the lower and the upper half of dst.
func (a *asm) cvtBF16(low, high, dst int) {
	a.evex("VCVTNE2PS2BF16", prefixF2, 0x72, low, high, dst)
}

const (
	prefixF3 = 2
	prefixF2 = 3
)

// evex writes an instruction of opcode map 0F38 on three 512-bit registers, in Go's
// order of operands: sources first.
func (a *asm) evex(name string, prefix, opcode byte, r, v, dst int) {
	a.bytesOf(fmt.Sprintf("%s Z%d, Z%d, Z%d", name, r, v, dst),
		0x62,
		inverted(dst, 3)<<7|inverted(r, 4)<<6|inverted(r, 3)<<5|inverted(dst, 4)<<4|0x02,
		byte(^v&15)<<3|0x04|prefix,
		0x40|inverted(v, 4)<<3,
		opcode, 0xc0|byte(dst&7)<<3|byte(r&7))
}

// tileMemory writes TILELOADD or TILESTORED, which differ in the last byte of their
// prefix. The tile's rows start at base and are index bytes apart. base must not be
// R13 or BP, which have no form without a displacement.
func (a *asm) tileMemory(name string, prefix byte, tile, base, index int) {
	a.bytesOf(fmt.Sprintf("%s tmm%d, r%d, r%d", name, tile, base, index),
		0xc4, 0x80|inverted(index, 3)<<6|inverted(base, 3)<<5|0x02, prefix, 0x4b,
		byte(tile)<<3|0x04, byte(index&7)<<3|byte(base&7))
}

// tileLoad loads a tile register from memory.
func (a *asm) tileLoad(tile, base, index int) { a.tileMemory("TILELOADD", 0x7b, tile, base, index) }

// tileStore stores a tile register to memory.
func (a *asm) tileStore(tile, base, index int) { a.tileMemory("TILESTORED", 0x7a, tile, base, index) }

// tileZero clears a tile register.
func (a *asm) tileZero(tile int) {
	a.bytesOf(fmt.Sprintf("TILEZERO tmm%d", tile), 0xc4, 0xe2, 0x7b, 0x49, 0xc0|byte(tile)<<3)
}

// tileDot writes TDPBF16PS: sum += x·w.
func (a *asm) tileDot(sum, x, w int) {
	a.bytesOf(fmt.Sprintf("TDPBF16PS tmm%d, tmm%d, tmm%d", sum, x, w),
		0xc4, 0xe2, byte(^w&15)<<3|0x02, 0x5c, 0xc0|byte(sum)<<3|byte(x))
}
