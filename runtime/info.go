package runtime

import (
	"encoding/json"
	"time"

	"eigenserve/models/output"
	"eigenserve/runtime/sched"
	"eigenserve/store"
)

// VariantInfo describes a variant.
type VariantInfo struct {
	Name string `json:"name"`
	// Version is the number of this version, Versions those of all versions of the name,
	// the oldest first.
	Version  int    `json:"version"`
	Versions []int  `json:"versions,omitempty"`
	Digest   string `json:"digest"`
	Family   string `json:"family"`
	Basis    string `json:"basis"`
	// Bytes is the size of the variant's file, SourceBytes that of the original
	// checkpoint's tensors.
	Bytes       int64     `json:"bytes"`
	SourceBytes int64     `json:"source_bytes"`
	Classes     int       `json:"classes"`
	Energy      float64   `json:"energy"`
	Step        float64   `json:"step"`
	Added       time.Time `json:"added"`
	// Agreement is what the gate measured on probe images, 0 if nothing was measured.
	// Lossy is set if the variant did not pass the gate and was stored all the same.
	Agreement float64 `json:"agreement,omitempty"`
	// Task is "multi-label", "binary" or "regression" if that is what the model's logits
	// stand for, and "" if one of several labels is right. In a list, it is known only for
	// models that the gate measured.
	Task output.Task `json:"task,omitempty"`
	store.Nulls
	Lossy bool `json:"lossy,omitempty"`
	// Resident is "slab" if rebuilt weights are in the cache, "coefficients" if only the
	// coefficients are in memory, "disk" before the first use.
	Resident string `json:"resident"`
	Pinned   bool   `json:"pinned"`
	// Unloaded is set if requests are refused until the model is loaded again.
	Unloaded bool `json:"unloaded,omitempty"`
	// Counters since the engine opened.
	Requests int64 `json:"requests"`
	Hits     int64 `json:"hits"`
	Rebuilds int64 `json:"rebuilds"`
	// Answers is the number of calls that were answered, Took their total time in seconds.
	Answers int64   `json:"answers"`
	Took    float64 `json:"took_seconds"`
	// Rate is the answers per second over about the last ten seconds, Latency their mean
	// time in seconds. If there were none, Latency is that of the last ones.
	Rate    float64 `json:"rate"`
	Latency float64 `json:"latency_seconds"`
}

// VariantDetail is VariantInfo with the contents of the variant's file.
type VariantDetail struct {
	VariantInfo
	Labels   []string       `json:"labels"`
	Fidelity store.Fidelity `json:"fidelity"`
	// Worst lists the tensors of the fidelity report, those with the least energy first.
	Worst      []store.TensorFidelity `json:"worst"`
	Provenance store.Provenance       `json:"provenance"`
	Input      Input                  `json:"input"`
	// Assumed says what had to be assumed about how images are prepared, because the
	// checkpoint does not say it.
	Assumed string `json:"assumed,omitempty"`
}

// Input is the image size that a model reads.
type Input struct {
	Channels int `json:"channels"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

// FamilyInfo describes a family.
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
	// Metric is what weighted the errors in the fit: none, input or full.
	Metric string `json:"metric"`
	// Lineage is how similar the fitted checkpoints are. Old bases lack it.
	Lineage *store.Lineage  `json:"lineage,omitempty"`
	Layers  []LayerInfo     `json:"layers"`
	Config  json.RawMessage `json:"config"`
}

// LayerInfo describes a shared layer and its directions.
type LayerInfo struct {
	Name    string `json:"name"`
	Outputs int    `json:"outputs"`
	Inputs  int    `json:"inputs"`
	Left    int    `json:"left"`
	Right   int    `json:"right"`
	// Energy90 is how many left directions hold 90% of the fitted deltas' energy.
	Energy90 int `json:"energy90"`
	// Spectrum describes both sides, in finer steps.
	Spectrum SpectrumInfo `json:"spectrum"`
}

// Ledger accounts for every byte that models and serving them take. It also has what the
// operating system reports for the whole process, and what dense copies would take.
type Ledger struct {
	Basis        int64 `json:"basis_bytes"`
	Coefficients int64 `json:"coefficients_bytes"`
	Private      int64 `json:"private_bytes"`
	Slabs        int64 `json:"slabs_bytes"`
	Activations  int64 `json:"activations_bytes"`
	Catalogue    int64 `json:"catalogue_bytes"`
	// Overhead is what the Go runtime has taken since the engine opened beyond the part of
	// the above that lies on its heap: uncollected garbage, rounded sizes, stacks, tables.
	Overhead int64 `json:"overhead_bytes"`
	// Total is the sum of the above. It should be close to RSS − IdleRSS.
	Total int64 `json:"total_bytes"`

	SlabsUsed  int   `json:"slabs_used"`
	SlabsTotal int   `json:"slabs_total"`
	CacheLimit int64 `json:"weight_cache_bytes"`

	// RSS is the process's resident set as the operating system measures it, IdleRSS what
	// it was when the engine opened, before any model was loaded.
	RSS     int64 `json:"rss_bytes"`
	IdleRSS int64 `json:"idle_rss_bytes"`

	Variants int `json:"variants"`
	// Dense is what one float32 copy of every variant would take.
	Dense int64 `json:"dense_bytes"`
	// ModelRatio is Dense / (Total − Overhead), ProcessRatio is Dense / RSS.
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

// Answer is the result of an inference and what produced it.
type Answer struct {
	Scores   []Score // best first
	Function string  // that made the scores of logits: "softmax", "sigmoid" or "none"
	Variant  string  // name
	Version  int     // its number
	Digest   string  // of the variant that answered
	Basis    string  // digest of its basis
	Timing   Timing
}

// Timing is the time of an inference by its parts.
type Timing struct {
	Queue, Rebuild, Preprocess, Compute time.Duration
	// Weights says which weights answered: WeightsSlab, WeightsFactored or WeightsRebuilt.
	Weights string
}

// The values of Timing.Weights.
const (
	WeightsSlab     = "slab"     // rebuilt before
	WeightsFactored = "factored" // basis and coefficients, without a rebuild
	WeightsRebuilt  = "rebuilt"  // rebuilt for the request, which waited
)

// ClassifyOptions choose the form of an Answer.
type ClassifyOptions struct {
	TopK     int    // the most labels; 0 for all
	Function string // "softmax", "sigmoid" or "none"; "" for what the model's task asks for
}

// Upload is a full checkpoint as it is uploaded.
type Upload struct {
	Model        []byte // a safetensors file
	Config       []byte // config.json
	Preprocessor []byte // preprocessor_config.json, may be nil
}
