package learning

import (
	"eigenserve/store/checkpoint"
	"eigenserve/store/subspace"
)

// Metrics are the kinds that --metric takes.
var Metrics = []string{subspace.MetricFull, subspace.MetricInput, subspace.MetricNone}

// OpenCheckpoints opens all of them, or none.
func OpenCheckpoints(dirs []string) ([]*checkpoint.Checkpoint, error) {
	var out []*checkpoint.Checkpoint
	for _, dir := range dirs {
		c, err := checkpoint.Open(dir)
		if err != nil {
			CloseCheckpoints(out)
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// TotalBytes is what the checkpoints take on disk.
func TotalBytes(checkpoints []*checkpoint.Checkpoint) (n int64) {
	for _, c := range checkpoints {
		n += c.Bytes()
	}
	return n
}

func CloseCheckpoints(checkpoints []*checkpoint.Checkpoint) {
	for _, c := range checkpoints {
		c.Close()
	}
}
