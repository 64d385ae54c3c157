package main

// prefetch writes prefetchLines, which brings n cache lines into the second-level
// cache to be read, and prefetchLinesToWrite, into the first to be written.
func prefetch(a *asm) {
	each := func(name, instruction string) {
		a.function(name, "src *uint16, n int", 16)
		a.args("src SI", "n CX")
		a.loop(1, func() {
			a.o("%s", instruction)
			a.o("ADDQ $64, SI")
		})
		a.o("RET")
	}
	each("prefetchLines", "PREFETCHT1 (SI)")
	each("prefetchLinesToWrite", "BYTE $0x0F; BYTE $0x0D; BYTE $0x0E // PREFETCHW (SI)")
}
