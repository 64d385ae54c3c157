package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// result is what became of one request.
type result struct {
	status  int           // of HTTP; 0 where there was no answer
	latency time.Duration // from when the request was due
	weights string        // what answered, as Server-Timing says
	problem string        // what is wrong with the answer; empty if nothing
}

// stageStats sums up those of one stage. Latencies lie in histograms of three
// digits (Gil Tene's HDR): their percentiles are of all requests.
type stageStats struct {
	mu sync.Mutex // guards what follows
	// offered is all that were due, sent or not.
	offered, answered, refused, failed, wrong int64
	all                                       *hdrhistogram.Histogram
	byWeights                                 map[string]*hdrhistogram.Histogram // by weights
	refusals                                  *hdrhistogram.Histogram
	problems                                  map[string]int64 // what was wrong, and how often
}

func newStageStats() *stageStats {
	return &stageStats{all: NewHistogram(), refusals: NewHistogram(), byWeights: map[string]*hdrhistogram.Histogram{}, problems: map[string]int64{}}
}

// NewHistogram counts microseconds, up to ten minutes.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 600_000_000, 3) }

func (o *stageStats) add(x result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offered++
	us := min(max(x.latency.Microseconds(), 1), 600_000_000)
	switch {
	case x.status == 429 || x.status == 503:
		o.refused++
		o.refusals.RecordValue(us)
	case x.status != 200:
		o.failed++
		o.problems[x.problem]++
	default:
		o.answered++
		o.all.RecordValue(us)
		if o.byWeights[x.weights] == nil {
			o.byWeights[x.weights] = NewHistogram()
		}
		o.byWeights[x.weights].RecordValue(us)
		if x.problem != "" {
			o.wrong++
			o.problems[x.problem]++
		}
	}
}

// Latencies are percentiles in milliseconds.
type Latencies struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func Summarize(h *hdrhistogram.Histogram) Latencies {
	at := func(q float64) float64 { return float64(h.ValueAtPercentile(q)) / 1000 }
	return Latencies{Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}

// StageReport is one stage of a load, as it is printed.
type StageReport struct {
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
	Latency    Latencies            `json:"latency"`
	ByWeights  map[string]Latencies `json:"by_weights"`
	Refusals   Latencies            `json:"refusals"`
	Memory     MemorySamples        `json:"memory"`
	Complaints map[string]int64     `json:"complaints,omitempty"`
}

func (o *stageStats) report(name string, rate float64, took time.Duration) StageReport {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := StageReport{Name: name, Seconds: took.Seconds(), Rate: rate, Offered: o.offered, Achieved: float64(o.answered) / took.Seconds(),
		Answered: o.answered, Refused: o.refused, Failed: o.failed, Wrong: o.wrong, Latency: Summarize(o.all),
		Refusals: Summarize(o.refusals), ByWeights: map[string]Latencies{}, Complaints: o.problems}
	for weights, h := range o.byWeights {
		r.ByWeights[weights] = Summarize(h)
	}
	return r
}
