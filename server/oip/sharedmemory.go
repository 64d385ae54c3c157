package oip

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"eigenserve/server/oip/inference"
)

// Tensors in shared memory are not supported, so no region of it is ever registered. The
// methods that list and unregister regions answer that, since clients call them first.

// sharedMemory is the parameter of a tensor that names its region.
const sharedMemory = "shared_memory_region"

var errSharedMemory = invalid("tensors in shared memory are not supported: send and receive them in the messages")

// SystemSharedMemoryStatus returns no regions.
func (g *GRPC) SystemSharedMemoryStatus(context.Context, *inference.SystemSharedMemoryStatusRequest) (*inference.SystemSharedMemoryStatusResponse, error) {
	return &inference.SystemSharedMemoryStatusResponse{}, nil
}

// SystemSharedMemoryUnregister has nothing to unregister.
func (g *GRPC) SystemSharedMemoryUnregister(context.Context, *inference.SystemSharedMemoryUnregisterRequest) (*inference.SystemSharedMemoryUnregisterResponse, error) {
	return &inference.SystemSharedMemoryUnregisterResponse{}, nil
}

// CudaSharedMemoryStatus returns no regions.
func (g *GRPC) CudaSharedMemoryStatus(context.Context, *inference.CudaSharedMemoryStatusRequest) (*inference.CudaSharedMemoryStatusResponse, error) {
	return &inference.CudaSharedMemoryStatusResponse{}, nil
}

// CudaSharedMemoryUnregister has nothing to unregister.
func (g *GRPC) CudaSharedMemoryUnregister(context.Context, *inference.CudaSharedMemoryUnregisterRequest) (*inference.CudaSharedMemoryUnregisterResponse, error) {
	return &inference.CudaSharedMemoryUnregisterResponse{}, nil
}

// unsupported says of methods that other servers of the protocol have why this one
// does not.
var unsupported = map[string]string{
	"ModelStreamInfer":           "streams are not supported: call ModelInfer once for each request",
	"SystemSharedMemoryRegister": "shared memory is not supported: send tensors in the messages",
	"CudaSharedMemoryRegister":   "shared memory is not supported: send tensors in the messages",
	"TraceSetting":               "trace settings are not supported: --otlp-endpoint of the server turns traces on",
	"LogSettings":                "log settings are not supported: --log-level of the server sets what is logged",
}

// errNoMethod returns the error for a method that does not exist.
func errNoMethod(method string) error {
	name := method[strings.LastIndexByte(method, '/')+1:]
	if why, known := unsupported[name]; known {
		return grpcstatus.Errorf(codes.Unimplemented, "no method %s: %s", name, why)
	}
	return grpcstatus.Errorf(codes.Unimplemented, "no method %.100q", name)
}
