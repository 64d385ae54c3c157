//go:build !windows

package store

import "syscall"

// noRoom are what the system says when there is no room for a write.
var noRoom = [...]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
