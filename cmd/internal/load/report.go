package load

// Report is what Run measured, as it is printed.
type Report struct {
	Models int            `json:"models"`
	Zipf   float64        `json:"zipf"`
	Runs   []ServerReport `json:"runs"`
}

// Wrong returns the number of wrong answers.
func (r *Report) Wrong() (n int64) {
	for _, run := range r.Runs {
		for _, s := range run.Stages {
			n += s.Wrong
		}
		if run.Verified != nil {
			n += int64(run.Verified.Wrong)
		}
	}
	return n
}

// ServerReport is what was measured of one server.
type ServerReport struct {
	Name    string  `json:"name"`
	Started float64 `json:"start_seconds,omitempty"` // until it listened
	Idle    int64   `json:"idle_rss_bytes"`
	// First are the first answers of all models, Warm those of a model whose weights
	// are rebuilt.
	First    *Latencies    `json:"first,omitempty"`
	Warm     *Latencies    `json:"warm,omitempty"`
	NoSlab   int64         `json:"rss_after_first_bytes,omitempty"`
	Adds     *GrowthReport `json:"adds,omitempty"`
	Models   int           `json:"models"`
	Capacity float64       `json:"capacity,omitempty"` // answers per second
	Stages   []StageReport `json:"stages"`
	Peak     int64         `json:"peak_rss_bytes,omitempty"`
	Dense    int64         `json:"dense_bytes"`
	Verified *Verification `json:"verified,omitempty"`

	residentBesidesCache int64 // basis, coefficients and so on, in bytes
}

// StageReport is what was measured at one load.
type StageReport struct {
	Name     string  `json:"name"`
	Seconds  float64 `json:"seconds"`
	Rate     float64 `json:"rate"`     // requests per second, as intended
	Offered  int64   `json:"offered"`  // requests that were due
	Achieved float64 `json:"achieved"` // answers per second
	Answered int64   `json:"answered"`
	Refused  int64   `json:"refused"` // 429 and 503
	Failed   int64   `json:"failed"`  // any other status, or none
	Wrong    int64   `json:"wrong"`
	// Latency is that of all answers, from when each request was due. ByWeights is
	// that of answers from a slab, factored, or after a rebuild.
	Latency    Latencies            `json:"latency"`
	ByWeights  map[string]Latencies `json:"by_weights"`
	Refusals   Latencies            `json:"refusals"`
	Memory     MemorySamples        `json:"memory"`
	Complaints map[string]int64     `json:"complaints,omitempty"`
}
