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

// httpSpan is how long requests are sent, and passes run, to be counted: long
// enough for the ticks that the system counts processor time in.
const httpSpan = time.Second

// measureHTTP measures warm answers over HTTP, as many clients as cores, one image a
// request; server and clients are this process.
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
	photo, images := synth.NoisePNG(in.Height, in.Width), w.images(1)
	cores := goruntime.GOMAXPROCS(0)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cores}}
	defer client.CloseIdleConnections()
	url := fmt.Sprintf("http://%s/v1/models/%s/classify", l.Addr(), name)
	if err := postImage(ctx, client, url, photo); err != nil {
		return err
	}
	passes, forward, _, err := countDuring(1, func() error { return w.meter.Forward(images, 1) })
	if err != nil {
		return err
	}
	requests, all, wall, err := countDuring(cores, func() error { return postImage(ctx, client, url, photo) })
	if err != nil {
		return err
	}
	kernels := forward / float64(passes) * float64(requests)
	w.report.HTTP = append(w.report.HTTP, httpRate{Model: w.model, DType: w.dtype, RequestsPer: float64(requests) / wall,
		Outside: max(0, 1-kernels/all)})
	return nil
}

// countDuring calls work over and over on so many goroutines for httpSpan: how often
// in all, the process's processor time and the time by the clock, in seconds.
func countDuring(goroutines int, work func() error) (count int64, cpu, wall float64, err error) {
	before, err := processorTime()
	if err != nil {
		return 0, 0, 0, err
	}
	var n atomic.Int64
	var clients errgroup.Group
	began := time.Now()
	for range goroutines {
		clients.Go(func() error {
			for time.Since(began) < httpSpan {
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
	wall = time.Since(began).Seconds()
	after, err := processorTime()
	return n.Load(), after - before, wall, err
}

// processorTime is what the process has taken so far, in seconds.
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

// postImage asks for one image's labels.
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
