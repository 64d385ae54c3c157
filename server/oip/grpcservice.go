package oip

import (
	"context"
	"errors"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

// ServerLive answers that the process is alive.
func (g *GRPC) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady answers whether the server accepts new requests.
func (g *GRPC) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: !g.draining.Load()}, nil
}

// ServerMetadata describes the server.
func (g *GRPC) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	m := g.api.ServerMetadata()
	return &inference.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}

// ModelReady answers whether a request for a model would be answered.
func (g *GRPC) ModelReady(ctx context.Context, q *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	ref, err := reference(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	err = g.api.Engine.Ready(ref)
	var known *runtime.Error
	if errors.As(err, &known) && known.Code == runtime.Unloaded {
		return &inference.ModelReadyResponse{}, nil
	}
	return &inference.ModelReadyResponse{Ready: err == nil}, err
}

// ModelMetadata describes the versions and tensors of a model.
func (g *GRPC) ModelMetadata(ctx context.Context, q *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	ref, err := reference(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	m, err := g.api.ModelMetadata(ref)
	if err != nil {
		return nil, err
	}
	return &inference.ModelMetadataResponse{Name: m.Name, Versions: m.Versions, Platform: m.Platform,
		Inputs: tensorsMetadata(m.Inputs), Outputs: tensorsMetadata(m.Outputs)}, nil
}

func tensorsMetadata(list []tensorMetadata) (out []*inference.ModelMetadataResponse_TensorMetadata) {
	for _, t := range list {
		out = append(out, &inference.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
	}
	return out
}

// ModelStatistics returns the statistics of one model, or of all that have had requests.
func (g *GRPC) ModelStatistics(ctx context.Context, q *inference.ModelStatisticsRequest) (*inference.ModelStatisticsResponse, error) {
	ref := ""
	if q.Name != "" {
		var err error
		if ref, err = reference(ctx, q.Name, q.Version); err != nil {
			return nil, err
		}
	}
	list, err := g.api.Stats(callerOf(ctx), ref)
	if err != nil {
		return nil, err
	}
	answer := &inference.ModelStatisticsResponse{}
	for _, v := range list.Models {
		answer.ModelStats = append(answer.ModelStats, statsMessage(v))
	}
	return answer, nil
}

func statsMessage(v versionStats) *inference.ModelStatistics {
	took := func(d duration) *inference.StatisticDuration {
		return &inference.StatisticDuration{Count: d.Count, Ns: d.Ns}
	}
	m := &inference.ModelStatistics{Name: v.Name, Version: v.Version, LastInference: v.Last, InferenceCount: v.Inferences, ExecutionCount: v.Executions,
		InferenceStats: &inference.InferStatistics{Success: took(v.Stats.Success), Fail: took(v.Stats.Fail), Queue: took(v.Stats.Queue),
			ComputeInput: took(v.Stats.ComputeInput), ComputeInfer: took(v.Stats.ComputeInfer), ComputeOutput: took(v.Stats.ComputeOutput)}}
	for _, b := range v.Batches {
		m.BatchStats = append(m.BatchStats, &inference.InferBatchStatistics{BatchSize: uint64(b.Size), ComputeInput: took(b.ComputeInput),
			ComputeInfer: took(b.ComputeInfer), ComputeOutput: took(b.ComputeOutput)})
	}
	for _, u := range v.Memory {
		m.MemoryUsage = append(m.MemoryUsage, &inference.MemoryUsage{Type: u.Type, Id: u.ID, ByteSize: u.Size})
	}
	return m
}

// RepositoryIndex returns every version of every model.
func (g *GRPC) RepositoryIndex(ctx context.Context, q *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	answer := &inference.RepositoryIndexResponse{}
	for _, e := range g.api.Index(callerOf(ctx), q.Ready) {
		answer.Models = append(answer.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return answer, nil
}

// RepositoryModelLoad loads a model that was unloaded, or adds the variant file in the
// parameter file:<version>/<name>.
func (g *GRPC) RepositoryModelLoad(ctx context.Context, q *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
	ref, err := reference(ctx, q.ModelName, "")
	if err != nil {
		return nil, err
	}
	file, err := fileParameter(q.Parameters, bytesParameter)
	if err != nil {
		return nil, err
	}
	if file == nil {
		err = g.api.Engine.Load(ref)
	} else {
		_, _, err = g.api.Engine.PutVariant(ctx, ref, file)
	}
	return &inference.RepositoryModelLoadResponse{}, err
}

func bytesParameter(key string, value *inference.ModelRepositoryParameter) ([]byte, error) {
	file := value.GetBytesParam()
	if len(file) == 0 {
		return nil, invalid("parameter %.100q is empty", key)
	}
	return file, nil
}

// RepositoryModelUnload unloads a model from memory and refuses requests for it.
func (g *GRPC) RepositoryModelUnload(ctx context.Context, q *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
	ref, err := reference(ctx, q.ModelName, "")
	if err == nil {
		err = g.api.Engine.Unload(ref)
	}
	return &inference.RepositoryModelUnloadResponse{}, err
}
