package tensorfile

import "unsafe"

// Ahead tells the system that a tensor out of this file is about to be read, so
// that it can begin. It is a hint: it changes nothing and cannot fail.
func (f *File) Ahead(t Tensor) { f.advise(t, willNeed) }

// Release gives back the memory that a tensor out of this file was read into;
// reading it again is slower, and that is all. Without it a mapped file that is
// read once from end to end stays in the process's resident set.
func (f *File) Release(t Tensor) { f.advise(t, dontNeed) }

// advise tells the system about a tensor's part of the mapping, if it lies in
// it: memory that is no file's would lose its content.
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
		tell(f.mapping, at, end, what)
	}
}

// advice is what the system is told about a part of a mapping.
type advice int

const (
	willNeed advice = iota
	dontNeed
)
