package kernel

// selfTest compares the kernels of the current level with the generic ones.
func selfTest() error { return nil }
