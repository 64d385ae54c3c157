package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/store"
	"eigenserve/store/zoo"
)

// Serve the embedded family on a free port, ask one of its models about an image, and
// shut the server down.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	check(err)
	defer os.RemoveAll(dir)
	s, err := store.Create(filepath.Join(dir, "store"))
	check(err)
	_, err = zoo.Install(s)
	check(err)
	engine, err := runtime.Open(s, runtime.Options{})
	check(err)
	defer engine.Close()

	srv, err := server.New(engine, server.Options{Log: slog.New(slog.DiscardHandler)})
	check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go srv.Listen(l)

	samples, err := zoo.Samples()
	check(err)
	image, err := fs.ReadFile(samples, "looped-lao/ຂ.png")
	check(err)
	url := fmt.Sprintf("http://%s/v1/models/looped-lao/classify?top_k=1", l.Addr())
	res, err := http.Post(url, "image/png", bytes.NewReader(image))
	check(err)
	defer res.Body.Close()
	var scores []runtime.Score
	check(json.NewDecoder(res.Body).Decode(&scores))
	fmt.Println(scores[0].Label)

	check(srv.Shutdown(context.Background()))
	// Output: ຂ
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
