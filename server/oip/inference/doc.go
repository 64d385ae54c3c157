// Package inference has the messages and stubs of the gRPC service of the Open Inference
// Protocol, generated from inference.proto. Package oip implements the service.
//
// go generate needs protoc, protoc-gen-go v1.36.12
// (google.golang.org/protobuf/cmd/protoc-gen-go) and protoc-gen-go-grpc v1.6.2
// (google.golang.org/grpc/cmd/protoc-gen-go-grpc) in the PATH.
package inference

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative inference.proto
