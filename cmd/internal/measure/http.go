package measure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"sync/atomic"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sync/errgroup"

	"eigenserve/cmd/internal/synth"
	"eigenserve/runtime"
	"eigenserve/server"
	"eigenserve/store"
)

// httpSpan is how long requests are sent and passes run. It is many times the tick in
// which the system counts processor time.
const httpSpan = time.Second

// measureHTTP measures warm answers over HTTP, with as many clients as cores and one
// image per request. Server and clients are this process.
func (w modelBench) measureHTTP(ctx context.Context, s *store.Store, name string) error {
	eng, err := runtime.Open(s, runtime.Options{Compute: runtime.Compute(w.dtype), WeightCache: 8 << 30})
	if err != nil {
		return err
	}
	defer eng.Close()
	srv, err := server.New(eng, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Listen(l) }()
	defer func() { srv.Shutdown(context.WithoutCancel(ctx)); <-served }()

	in := w.meter.Input()
	image, images := synth.NoisePNG(in.Height, in.Width), w.images(1)
	cores := goruntime.GOMAXPROCS(0)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cores}}
	defer client.CloseIdleConnections()
	url := fmt.Sprintf("http://%s/v1/models/%s/classify", l.Addr(), name)
	if err := postImage(ctx, client, url, image); err != nil {
		return err
	}
	passes, forward, _, err := countDuring(1, func() error { return w.meter.Forward(images, 1) })
	if err != nil {
		return err
	}
	requests, all, wall, err := countDuring(cores, func() error { return postImage(ctx, client, url, image) })
	if err != nil {
		return err
	}
	kernels := forward / float64(passes) * float64(requests)
	w.report.HTTP = append(w.report.HTTP, httpRate{Model: w.model, DType: w.dtype, RequestsPer: float64(requests) / wall,
		Outside: max(0, 1-kernels/all)})
	return nil
}

// countDuring calls work repeatedly on some goroutines for httpSpan. It returns the
// number of calls, and the processor time and the wall-clock time in seconds.
func countDuring(goroutines int, work func() error) (count int64, cpu, wall float64, err error) {
	before, err := processorTime()
	if err != nil {
		return 0, 0, 0, err
	}
	var n atomic.Int64
	var clients errgroup.Group
	start := time.Now()
	for range goroutines {
		clients.Go(func() error {
			for time.Since(start) < httpSpan {
				if err := work(); err != nil {
					return err
				}
				n.Add(1)
			}
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		return 0, 0, 0, err
	}
	wall = time.Since(start).Seconds()
	after, err := processorTime()
	return n.Load(), after - before, wall, err
}

// processorTime returns the processor time of this process in seconds.
func processorTime() (float64, error) {
	p, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return 0, err
	}
	t, err := p.Times()
	if err != nil {
		return 0, err
	}
	return t.User + t.System, nil
}

// postImage sends an image to classify.
func postImage(ctx context.Context, client *http.Client, url string, image []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(image))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("classify over HTTP: %s: %s", resp.Status, answer)
	}
	return err
}
