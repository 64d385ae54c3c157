package oip

import (
	"strconv"

	"eigenserve/runtime"
	"eigenserve/server/auth"
)

// ModelStats is the answer to a request for statistics.
type ModelStats struct {
	Models []versionStats `json:"model_stats"`
}

type versionStats struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Last       uint64         `json:"last_inference"` // ms since 1970
	Inferences uint64         `json:"inference_count"`
	Executions uint64         `json:"execution_count"`
	Stats      inferenceStats `json:"inference_stats"`
	Batches    []batchStats   `json:"batch_stats"`
	Memory     []memoryUsage  `json:"memory_usage"`
}

type inferenceStats struct {
	Success       duration `json:"success"`
	Fail          duration `json:"fail"`
	Queue         duration `json:"queue"`
	ComputeInput  duration `json:"compute_input"`
	ComputeInfer  duration `json:"compute_infer"`
	ComputeOutput duration `json:"compute_output"`
}

type batchStats struct {
	Size          int      `json:"batch_size"`
	ComputeInput  duration `json:"compute_input"`
	ComputeInfer  duration `json:"compute_infer"`
	ComputeOutput duration `json:"compute_output"`
}

type duration struct {
	Count uint64 `json:"count"`
	Ns    uint64 `json:"ns"`
}

type memoryUsage struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
	Size uint64 `json:"byte_size"`
}

// Stats returns the statistics of the version that a reference names, or for "" of all
// versions that have had requests and that the caller may see.
func (s *Service) Stats(caller *auth.Caller, ref string) (ModelStats, error) {
	list, err := s.Engine.Stats(ref)
	if err != nil {
		return ModelStats{}, err
	}
	out := ModelStats{Models: []versionStats{}}
	for _, v := range list {
		if caller.Sees(v.Name) {
			out.Models = append(out.Models, statsOf(v))
		}
	}
	return out, nil
}

func statsOf(v runtime.VersionStats) versionStats {
	s := versionStats{Name: v.Name, Version: strconv.Itoa(v.Version), Inferences: uint64(v.Rows), Executions: uint64(v.Runs),
		Stats: inferenceStats{Success: durationOf(v.Success), Fail: durationOf(v.Fail), Queue: durationOf(v.Queue),
			ComputeInput: durationOf(v.Preprocess), ComputeInfer: durationOf(v.Compute),
			// Logits are returned as they are computed: this step takes no time.
			ComputeOutput: duration{Count: uint64(v.Success.Count)}},
		Batches: []batchStats{}, Memory: []memoryUsage{{"CPU", 0, uint64(v.Memory)}}}
	for _, b := range v.Batches {
		s.Batches = append(s.Batches, batchStats{b.Size, durationOf(b.Preprocess), durationOf(b.Compute), duration{Count: uint64(b.Compute.Count)}})
	}
	if !v.Last.IsZero() {
		s.Last = uint64(v.Last.UnixMilli())
	}
	return s
}

func durationOf(t runtime.Total) duration { return duration{uint64(t.Count), uint64(t.Took)} }
