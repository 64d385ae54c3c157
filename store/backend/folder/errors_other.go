//go:build !windows

package folder

import "syscall"

// noSpace lists the errors of the system for a full disk, an exceeded quota and a limit on
// the size of files.
var noSpace = [...]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
