# The few commands of daily work. Each is one line that you can type yourself.
.DEFAULT_GOAL := help
.PHONY: help build test race bench ci demo fmt vet

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

build: ## build the binary ./eigenserve
	CGO_ENABLED=0 go build -trimpath -o eigenserve ./cmd/eigenserve

test: ## run all tests
	go test ./...

race: ## run the short tests under the race detector
	CGO_ENABLED=1 go test -race -short ./...

bench: ## measure this machine
	go run ./cmd/eigenserve bench

ci: ## run everything that a change must pass
	.ci/run

demo: ## serve the embedded models at http://127.0.0.1:8080
	go run ./cmd/eigenserve demo

fmt: ## format the Go files
	gofmt -l -w $$(git ls-files '*.go')

vet: ## run go vet, with and without assembly
	go vet ./...
	go vet -tags purego ./...
