package folder

import "syscall"

// noSpace lists the errors of the system for a full disk and an exceeded quota:
// ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL and ERROR_DISK_QUOTA_EXCEEDED.
var noSpace = [...]error{syscall.Errno(112), syscall.Errno(39), syscall.Errno(1295)}
