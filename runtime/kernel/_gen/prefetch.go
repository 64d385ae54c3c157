package main

// prefetch writes prefetchLines, which brings n cache lines into the second-level
// cache to be read, and prefetchLinesToWrite, into the first to be written.
func prefetch(a *asm) {
	each := func(name, instruction string) {
		a.function(name, "src *uint16, n int", 16)
		a.o("MOVQ src+0(FP), SI")
		a.o("MOVQ n+8(FP), CX")
		next := a.newLabel("next")
		a.label(next)
		a.o("%s", instruction)
		a.o("ADDQ $64, SI")
		a.o("DECQ CX")
		a.o("JNZ  %s", next)
		a.o("RET")
	}
	each("prefetchLines", "PREFETCHT1 (SI)")
	each("prefetchLinesToWrite", "BYTE $0x0F; BYTE $0x0D; BYTE $0x0E // PREFETCHW (SI)")
}
