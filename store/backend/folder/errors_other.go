//go:build !windows

package folder

import "syscall"

// noSpace lists the errors of the system for a disk, quota or file size limit that
// leaves no room for a write.
var noSpace = [...]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
