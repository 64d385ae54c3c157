package runtime

import (
	"encoding/json"
	"time"

	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// VariantInfo is what the catalogue tells of one variant.
type VariantInfo struct {
	Name string `json:"name"`
	// Version is this one's number, Versions those of all that the name has, the
	// oldest first.
	Version  int    `json:"version"`
	Versions []int  `json:"versions,omitempty"`
	Digest   string `json:"digest"`
	Family   string `json:"family"`
	Basis    string `json:"basis"`
	// Bytes is the size of the variant's file; SourceBytes that of the
	// original checkpoint's tensors.
	Bytes       int64     `json:"bytes"`
	SourceBytes int64     `json:"source_bytes"`
	Classes     int       `json:"classes"`
	Energy      float64   `json:"energy"`
	Step        float64   `json:"step"`
	Added       time.Time `json:"added"`
	// Agreement is what the gate measured on probe images, 0 where nothing was;
	// Lossy that the variant did not pass it and was wanted all the same.
	Agreement float64 `json:"agreement,omitempty"`
	store.Nulls
	Lossy bool `json:"lossy,omitempty"`
	// Resident is "slab" while rebuilt weights are in the cache, "coefficients"
	// while only the coefficients are in memory, "disk" before the first use.
	Resident string `json:"resident"`
	Pinned   bool   `json:"pinned"`
	// Unloaded tells that requests are refused until the model is loaded again.
	Unloaded bool `json:"unloaded,omitempty"`
	// Counters since the engine opened.
	Requests int64 `json:"requests"`
	Hits     int64 `json:"hits"`
	Rebuilds int64 `json:"rebuilds"`
	// Answers are the calls that were answered, Took the seconds that they took
	// together, from asking to the answer.
	Answers int64   `json:"answers"`
	Took    float64 `json:"took_seconds"`
	// Rate is the answers a second of about the last ten seconds, Latency what one
	// of them took on average, in seconds; of none, what the last ones took.
	Rate    float64 `json:"rate"`
	Latency float64 `json:"latency_seconds"`
}

// VariantDetail is VariantInfo with what only a look into the file tells.
type VariantDetail struct {
	VariantInfo
	Labels   []string       `json:"labels"`
	Fidelity store.Fidelity `json:"fidelity"`
	// Worst names the tensors of the fidelity report, the least kept first.
	Worst      []store.TensorFidelity `json:"worst"`
	Provenance store.Provenance       `json:"provenance"`
	Input      Input                  `json:"input"`
}

// Input is the image size that a model reads.
type Input struct {
	Channels int `json:"channels"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

// FamilyInfo is what the catalogue tells of one family.
type FamilyInfo struct {
	Name     string `json:"name"`
	Basis    string `json:"basis"`
	Bytes    int64  `json:"bytes"`
	Resident int64  `json:"resident_bytes"`
	// Rank is the largest number of directions a side of any layer.
	Rank       int     `json:"rank"`
	RMS        float64 `json:"rms"`
	Fitted     int     `json:"fitted"`
	Variants   int     `json:"variants"`
	Parameters int64   `json:"parameters"`
	DenseBytes int64   `json:"dense_bytes"`
	SlabBytes  int64   `json:"slab_bytes"`
	Input      Input   `json:"input"`
}

// FamilyDetail is FamilyInfo with the basis's layers and the model's config.
type FamilyDetail struct {
	FamilyInfo
	// Metric is what weighed errors in the fit: none, input or full.
	Metric string `json:"metric"`
	// Lineage tells how alike the fitted checkpoints are; absent in bases from
	// before it was measured.
	Lineage *store.Lineage  `json:"lineage,omitempty"`
	Layers  []LayerInfo     `json:"layers"`
	Config  json.RawMessage `json:"config"`
}

// LayerInfo tells the size of one shared layer and of its directions.
type LayerInfo struct {
	Name    string `json:"name"`
	Outputs int    `json:"outputs"`
	Inputs  int    `json:"inputs"`
	Left    int    `json:"left"`
	Right   int    `json:"right"`
	// Energy90 is how many left directions hold 90% of the fitted deltas' energy.
	Energy90 int `json:"energy90"`
	// Spectrum tells of both sides, and in finer steps.
	Spectrum SpectrumInfo `json:"spectrum"`
}

// Ledger accounts for every byte that models take and that serving them costs,
// beside what the operating system says of the whole process, and beside what
// dense copies would take.
type Ledger struct {
	Basis        int64 `json:"basis_bytes"`
	Coefficients int64 `json:"coefficients_bytes"`
	Private      int64 `json:"private_bytes"`
	Slabs        int64 `json:"slabs_bytes"`
	Activations  int64 `json:"activations_bytes"`
	Catalogue    int64 `json:"catalogue_bytes"`
	// Overhead is what Go's memory manager holds since the engine opened beyond
	// what of the above lies on its heap: garbage that was not collected yet,
	// rounded sizes, stacks, its own tables.
	Overhead int64 `json:"overhead_bytes"`
	// Total is the sum of the above, to compare with RSS − IdleRSS.
	Total int64 `json:"total_bytes"`

	SlabsUsed  int   `json:"slabs_used"`
	SlabsTotal int   `json:"slabs_total"`
	CacheLimit int64 `json:"weight_cache_bytes"`

	// RSS is the process's resident set as the operating system measures it;
	// IdleRSS what it was when the engine opened, before any model was loaded.
	RSS     int64 `json:"rss_bytes"`
	IdleRSS int64 `json:"idle_rss_bytes"`

	Variants int `json:"variants"`
	// Dense is what one float32 copy of every variant would take.
	Dense int64 `json:"dense_bytes"`
	// ModelRatio is Dense to the models' bytes, Total − Overhead; ProcessRatio
	// is Dense / RSS.
	ModelRatio   float64 `json:"model_ratio"`
	ProcessRatio float64 `json:"process_ratio"`
}

// Counters count what happened since the engine opened.
type Counters struct {
	Requests  int64
	Failures  int64
	Hits      int64
	Misses    int64
	Rebuilds  int64
	Evictions int64
	Factored  int64 // answers without rebuilt weights
	Waiting   int64 // inputs that wait for their turn now, and batches that wait for a slab
	BatchCounters
}

// BatchCounters count what waited for its turn and the batches that it was answered in.
type BatchCounters = sched.Counters

// Histogram counts values.
type Histogram = sched.Histogram

// Score is one label's share of an answer.
type Score struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Answer is the outcome of one inference and what made it.
type Answer struct {
	Scores  []Score // best first
	Variant string  // name
	Version int     // its number
	Digest  string  // of the variant that answered
	Basis   string  // digest of its basis
	Timing  Timing
}

// Timing divides an inference's time.
type Timing struct {
	Queue, Rebuild, Preprocess, Compute time.Duration
	// Weights says what answered: WeightsSlab, WeightsFactored or WeightsRebuilt.
	Weights string
}

// What Timing.Weights says.
const (
	WeightsSlab     = "slab"     // weights that were rebuilt before
	WeightsFactored = "factored" // basis and coefficients, nothing rebuilt
	WeightsRebuilt  = "rebuilt"  // weights that the request waited for
)

// ClassifyOptions choose the form of an answer.
type ClassifyOptions struct {
	TopK     int    // 0: all labels
	Function string // "softmax" (default, also ""), "sigmoid" or "none"
}

// Upload is a full checkpoint that came over the network.
type Upload struct {
	Model        []byte // a safetensors file
	Config       []byte // config.json
	Preprocessor []byte // preprocessor_config.json, may be nil
}
