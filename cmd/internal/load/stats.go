package load

import (
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// result is the outcome of one request.
type result struct {
	status  int           // of HTTP; 0 if there was no answer
	latency time.Duration // from when the request was due
	weights string        // which weights answered, from Server-Timing
	problem string        // what is wrong with the answer; empty if nothing is
}

// stageStats counts the results of one stage.
type stageStats struct {
	mu sync.Mutex // guards all fields below

	offered, answered, refused, failed, wrong int64

	all       *hdrhistogram.Histogram            // of answers
	byWeights map[string]*hdrhistogram.Histogram // of answers
	refusals  *hdrhistogram.Histogram
	problems  map[string]int64 // how often each occurred
}

func newStageStats() *stageStats {
	return &stageStats{all: NewHistogram(), refusals: NewHistogram(), byWeights: map[string]*hdrhistogram.Histogram{}, problems: map[string]int64{}}
}

func (s *stageStats) add(r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered++
	us := min(max(r.latency.Microseconds(), 1), maxLatency)
	switch r.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		s.refused++
		s.refusals.RecordValue(us)
	case http.StatusOK:
		s.answered++
		s.all.RecordValue(us)
		if s.byWeights[r.weights] == nil {
			s.byWeights[r.weights] = NewHistogram()
		}
		s.byWeights[r.weights].RecordValue(us)
		if r.problem != "" {
			s.wrong++
			s.problems[r.problem]++
		}
	default:
		s.failed++
		s.problems[r.problem]++
	}
}

// report returns the stage's report. It took so long at an intended rate.
func (s *stageStats) report(name string, rate float64, took time.Duration) StageReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := StageReport{Name: name, Seconds: took.Seconds(), Rate: rate, Offered: s.offered, Achieved: float64(s.answered) / took.Seconds(),
		Answered: s.answered, Refused: s.refused, Failed: s.failed, Wrong: s.wrong, Latency: Summarize(s.all),
		Refusals: Summarize(s.refusals), ByWeights: map[string]Latencies{}, Complaints: s.problems}
	for weights, h := range s.byWeights {
		r.ByWeights[weights] = Summarize(h)
	}
	return r
}
