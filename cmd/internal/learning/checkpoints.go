// Package learning holds what the commands share that fit bases and make variants:
// flags, checkpoints, and the families found among them.
package learning

import "eigenserve/store/checkpoint"

// Checkpoints are the open checkpoints of a command.
type Checkpoints []*checkpoint.Checkpoint

// OpenCheckpoints opens the checkpoints in some folders. The caller must close
// them.
func OpenCheckpoints(dirs []string) (Checkpoints, error) {
	var out Checkpoints
	for _, dir := range dirs {
		c, err := checkpoint.Open(dir)
		if err != nil {
			out.Close()
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Bytes returns the size of the checkpoints' files.
func (c Checkpoints) Bytes() (n int64) {
	for _, ck := range c {
		n += ck.Bytes()
	}
	return n
}

// Close closes the checkpoints.
func (c Checkpoints) Close() {
	for _, ck := range c {
		ck.Close()
	}
}
