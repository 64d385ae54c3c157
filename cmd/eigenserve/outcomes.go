package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// outcome is what became of one request.
type outcome struct {
	status  int           // of HTTP; 0 where there was no answer
	took    time.Duration // from when the request was due
	weights string        // what answered, as Server-Timing says
	wrong   string        // what is wrong with the answer; empty if nothing
}

// outcomes sums up those of one stage. Latencies lie in histograms of three
// digits (Gil Tene's HDR): their percentiles are of all requests.
type outcomes struct {
	mu sync.Mutex // guards what follows
	// offered is all that were due, sent or not.
	offered, answered, refused, failed, wrong int64
	all                                       *hdrhistogram.Histogram
	by                                        map[string]*hdrhistogram.Histogram // by weights
	refusals                                  *hdrhistogram.Histogram
	complaints                                map[string]int64 // what was wrong, and how often
}

func newOutcomes() *outcomes {
	return &outcomes{all: newLatencies(), refusals: newLatencies(), by: map[string]*hdrhistogram.Histogram{}, complaints: map[string]int64{}}
}

// newLatencies counts microseconds, up to ten minutes.
func newLatencies() *hdrhistogram.Histogram { return hdrhistogram.New(1, 600_000_000, 3) }

func (o *outcomes) add(x outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offered++
	us := min(max(x.took.Microseconds(), 1), 600_000_000)
	switch {
	case x.status == 429 || x.status == 503:
		o.refused++
		o.refusals.RecordValue(us)
	case x.status != 200:
		o.failed++
		o.complaints[x.wrong]++
	default:
		o.answered++
		o.all.RecordValue(us)
		if o.by[x.weights] == nil {
			o.by[x.weights] = newLatencies()
		}
		o.by[x.weights].RecordValue(us)
		if x.wrong != "" {
			o.wrong++
			o.complaints[x.wrong]++
		}
	}
}

// latencies are percentiles in milliseconds.
type latencies struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func latenciesOf(h *hdrhistogram.Histogram) latencies {
	at := func(q float64) float64 { return float64(h.ValueAtPercentile(q)) / 1000 }
	return latencies{Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}

// stageReport is one stage of a load, as it is printed.
type stageReport struct {
	Name     string  `json:"name"`
	Seconds  float64 `json:"seconds"`
	Rate     float64 `json:"rate"`     // asked for, a second
	Offered  int64   `json:"offered"`  // requests that were due
	Achieved float64 `json:"achieved"` // answered, a second
	Answered int64   `json:"answered"`
	Refused  int64   `json:"refused"` // 429 and 503
	Failed   int64   `json:"failed"`  // anything else
	Wrong    int64   `json:"wrong"`
	// Latency is of the answered, from when each request was due; ByWeights of
	// those answered from a slab, factored, or after a rebuild.
	Latency    latencies            `json:"latency"`
	ByWeights  map[string]latencies `json:"by_weights"`
	Refusals   latencies            `json:"refusals"`
	Memory     memorySamples        `json:"memory"`
	Complaints map[string]int64     `json:"complaints,omitempty"`
}

func (o *outcomes) report(name string, rate float64, took time.Duration) stageReport {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := stageReport{Name: name, Seconds: took.Seconds(), Rate: rate, Offered: o.offered, Achieved: float64(o.answered) / took.Seconds(),
		Answered: o.answered, Refused: o.refused, Failed: o.failed, Wrong: o.wrong, Latency: latenciesOf(o.all),
		Refusals: latenciesOf(o.refusals), ByWeights: map[string]latencies{}, Complaints: o.complaints}
	for weights, h := range o.by {
		r.ByWeights[weights] = latenciesOf(h)
	}
	return r
}
