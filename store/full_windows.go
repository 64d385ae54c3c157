package store

import "syscall"

// noRoom are what the system says when there is no room for a write:
// ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL and ERROR_DISK_QUOTA_EXCEEDED.
var noRoom = [...]error{syscall.Errno(112), syscall.Errno(39), syscall.Errno(1295)}
