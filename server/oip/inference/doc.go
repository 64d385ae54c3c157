// Package inference is the Open Inference Protocol's gRPC service: the messages
// and the stubs that inference.proto gives. What answers them is in server.
//
// go generate needs protoc, and in the PATH protoc-gen-go v1.36.12
// (google.golang.org/protobuf/cmd/protoc-gen-go) and protoc-gen-go-grpc v1.6.2
// (google.golang.org/grpc/cmd/protoc-gen-go-grpc).
package inference

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative inference.proto
