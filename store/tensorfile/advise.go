package tensorfile

import "unsafe"

// Prefetch asks the system to read a tensor of this file into memory, because it will be
// needed soon. It is a hint: it returns at once and cannot fail.
func (f *File) Prefetch(t Tensor) { f.advise(t, willNeed) }

// Evict frees the memory that a tensor of this file was read into. The tensor can still be
// read, only slower. Without Evict a mapped file that is read once from end to end stays in
// the process's resident set.
func (f *File) Evict(t Tensor) { f.advise(t, dontNeed) }

// advise advises the system about the part of the mapping that holds a tensor. It ignores a
// tensor outside of the mapping: memory without a file would lose its content.
func (f *File) advise(t Tensor, what advice) {
	if len(f.mapping) == 0 || len(t.Data) == 0 {
		return
	}
	first, last := uintptr(unsafe.Pointer(&f.mapping[0])), uintptr(unsafe.Pointer(&f.mapping[len(f.mapping)-1]))
	from := uintptr(unsafe.Pointer(&t.Data[0]))
	if from < first || from > last {
		return
	}
	at := int(from - first)
	if end := at + len(t.Data); end <= len(f.mapping) {
		madvise(f.mapping, at, end, what)
	}
}

// advice is the kind of advice, as of madvise(2).
type advice int

const (
	willNeed advice = iota
	dontNeed
)
