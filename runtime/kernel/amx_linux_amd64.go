//go:build !purego

package kernel

import "syscall"

// requestAMX asks Linux for permission to use AMX's tile state, which a process must do
// once, and reports whether it was granted.
func requestAMX() bool {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData          = 18     // XFEATURE_XTILEDATA
	)
	_, _, err := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return err == 0
}
