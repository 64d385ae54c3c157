package oip

import (
	"context"
	"errors"

	"eigenserve/runtime"
	"eigenserve/server/oip/inference"
)

// ServerLive tells that the process answers.
func (s *GRPC) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady tells whether new requests are welcome.
func (s *GRPC) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: !s.draining.Load()}, nil
}

// ServerMetadata names the server and what it speaks.
func (s *GRPC) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	m := s.api.ServerMetadata()
	return &inference.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}

// ModelReady tells whether a request for a model would be answered.
func (s *GRPC) ModelReady(ctx context.Context, q *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	ref, err := named(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	err = s.api.Engine.Ready(ref)
	var known *runtime.Error
	if errors.As(err, &known) && known.Code == runtime.Unloaded {
		return &inference.ModelReadyResponse{}, nil
	}
	return &inference.ModelReadyResponse{Ready: err == nil}, err
}

// ModelMetadata tells a model's versions and tensors.
func (s *GRPC) ModelMetadata(ctx context.Context, q *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	ref, err := named(ctx, q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	m, err := s.api.ModelMetadata(ref)
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

// ModelStatistics tells what models were asked: one, or all that were.
func (s *GRPC) ModelStatistics(ctx context.Context, q *inference.ModelStatisticsRequest) (*inference.ModelStatisticsResponse, error) {
	ref := ""
	if q.Name != "" {
		var err error
		if ref, err = named(ctx, q.Name, q.Version); err != nil {
			return nil, err
		}
	}
	list, err := s.api.Stats(callerOf(ctx), ref)
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

// RepositoryIndex lists every version of every model.
func (s *GRPC) RepositoryIndex(ctx context.Context, q *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	answer := &inference.RepositoryIndexResponse{}
	for _, e := range s.api.Index(callerOf(ctx), q.Ready) {
		answer.Models = append(answer.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return answer, nil
}

// RepositoryModelLoad loads a model that was unloaded, or adds the variant file
// that the call brings as the parameter file:<version>/<name>.
func (s *GRPC) RepositoryModelLoad(ctx context.Context, q *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
	ref, err := named(ctx, q.ModelName, "")
	if err != nil {
		return nil, err
	}
	var file []byte
	for key, value := range q.Parameters {
		switch {
		case !isFile(key):
			err = checkParameter(key)
		case file != nil:
			err = errTwoFiles
		default:
			if file = value.GetBytesParam(); len(file) == 0 {
				err = invalid("parameter %.100q is empty", key)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if file == nil {
		err = s.api.Engine.Load(ref)
	} else {
		_, _, err = s.api.Engine.PutVariant(ctx, ref, file)
	}
	return &inference.RepositoryModelLoadResponse{}, err
}

// RepositoryModelUnload takes a model out of memory and refuses requests for it.
func (s *GRPC) RepositoryModelUnload(ctx context.Context, q *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
	ref, err := named(ctx, q.ModelName, "")
	if err == nil {
		err = s.api.Engine.Unload(ref)
	}
	return &inference.RepositoryModelUnloadResponse{}, err
}
