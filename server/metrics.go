package server

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"eigenserve/runtime"
	"eigenserve/server/wire"
)

// metrics measures the server, and collects what the engine counts.
type metrics struct {
	http      *prometheus.HistogramVec // by route and status
	inference *prometheus.HistogramVec // by stage
	handler   fiber.Handler
}

// newMetrics returns metrics in a registry of their own, so that a process may have two
// servers.
func newMetrics(engine Engine) *metrics {
	m := &metrics{
		http: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "eigenserve_http_request_duration_seconds",
			Help:    "Time from the head of a request to its answer, by route and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "status"}),
		inference: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "eigenserve_inference_duration_seconds",
			Help:    "Time of an inference by stage: queue, rebuild, preprocess, compute.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"stage"}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.http, m.inference, engineCollector{engine},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = adaptor.HTTPHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return m
}

// observe records a request that was answered.
func (m *metrics) observe(route string, status int, took time.Duration) {
	m.http.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// observeStages records the stages of an inference.
func (m *metrics) observeStages(t runtime.Timing) {
	for _, part := range wire.Stages(t) {
		m.inference.WithLabelValues(part.Name).Observe(part.Took.Seconds())
	}
}

// getMetrics answers GET /metrics.
func (s *Server) getMetrics(r *request) error {
	if err := r.caller.CheckTotals(); err != nil {
		return err
	}
	r.Set(fiber.HeaderCacheControl, "no-store")
	return s.metrics.handler(r.Ctx)
}

// engineCollector reads the engine's ledger and counters once per scrape.
type engineCollector struct{ engine Engine }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("eigenserve_"+name, help, labels, nil)
}

var (
	memoryDesc   = desc("memory_bytes", "Computed memory of the models in bytes, by part.", "part")
	rssDesc      = desc("rss_bytes", "Resident set of the process in bytes, as measured by the operating system.")
	idleRSSDesc  = desc("idle_rss_bytes", "Resident set of the process in bytes before any model was loaded.")
	denseDesc    = desc("dense_bytes", "Memory in bytes that a float32 copy of every variant would take.")
	ratioDesc    = desc("memory_ratio", "How many times less memory than dense copies: of the models, of the whole process.", "of")
	limitDesc    = desc("weight_cache_limit_bytes", "Budget of the weight cache in bytes.")
	slabsDesc    = desc("slabs", "Slabs of the weight cache, by state.", "state")
	variantsDesc = desc("variants", "Variants in the catalogue.")

	requestsDesc  = desc("requests_total", "Inferences requested.")
	failuresDesc  = desc("failures_total", "Inferences that ended in an error; those canceled by the client are counted in refusals_total instead.")
	hitsDesc      = desc("cache_hits_total", "Inferences whose weights were in the weight cache.")
	missesDesc    = desc("cache_misses_total", "Inferences whose weights were rebuilt first.")
	rebuildsDesc  = desc("rebuilds_total", "Variants rebuilt.")
	evictionsDesc = desc("evictions_total", "Slabs evicted for another variant.")
	factoredDesc  = desc("factored_total", "Inferences computed from basis and coefficients, without rebuilt weights.")
	waitingDesc   = desc("requests_waiting", "Inputs waiting in the queue, and batches waiting for a slab.")
	runningDesc   = desc("requests_running", "Batches being computed.")
	batchesDesc   = desc("batch_inputs", "Batches by their number of inputs.")
	waitsDesc     = desc("wait_seconds", "Inputs by how long they waited in the queue, in seconds.")
	refusedDesc   = desc("refusals_total", "Requests not answered in time, by reason: refused at once (overload), past their deadline (deadline), canceled by the client (gone).", "reason")

	kernelDesc = desc("kernel_info", "Always 1; the label is the instruction set that the kernels use.", "isa")
)

// Describe implements prometheus.Collector.
func (c engineCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		memoryDesc, rssDesc, idleRSSDesc, denseDesc, ratioDesc, limitDesc, slabsDesc, variantsDesc,
		requestsDesc, failuresDesc, hitsDesc, missesDesc, rebuildsDesc, evictionsDesc, factoredDesc, waitingDesc, runningDesc,
		batchesDesc, waitsDesc, refusedDesc, kernelDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c engineCollector) Collect(out chan<- prometheus.Metric) {
	collectLedger(c.engine.Ledger(), out)
	collectCounters(c.engine.Counters(), out)
	out <- prometheus.MustNewConstMetric(kernelDesc, prometheus.GaugeValue, 1, runtime.ISA())
}

func collectLedger(l runtime.Ledger, out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(memoryDesc, float64(l.Basis), "basis")
	gauge(memoryDesc, float64(l.Coefficients), "coefficients")
	gauge(memoryDesc, float64(l.Private), "private")
	gauge(memoryDesc, float64(l.Slabs), "slabs")
	gauge(memoryDesc, float64(l.Activations), "activations")
	gauge(memoryDesc, float64(l.Catalogue), "catalogue")
	gauge(memoryDesc, float64(l.Overhead), "overhead")
	gauge(rssDesc, float64(l.RSS))
	gauge(idleRSSDesc, float64(l.IdleRSS))
	gauge(denseDesc, float64(l.Dense))
	gauge(ratioDesc, finite(l.ModelRatio), "models")
	gauge(ratioDesc, finite(l.ProcessRatio), "process")
	gauge(limitDesc, float64(l.CacheLimit))
	gauge(slabsDesc, float64(l.SlabsUsed), "used")
	gauge(slabsDesc, float64(max(0, l.SlabsTotal-l.SlabsUsed)), "free") // the total counts slabs of the largest size
	gauge(variantsDesc, float64(l.Variants))
}

func collectCounters(n runtime.Counters, out chan<- prometheus.Metric) {
	metric := func(d *prometheus.Desc, kind prometheus.ValueType, value int64) {
		out <- prometheus.MustNewConstMetric(d, kind, float64(value))
	}
	metric(requestsDesc, prometheus.CounterValue, n.Requests)
	metric(failuresDesc, prometheus.CounterValue, n.Failures)
	metric(hitsDesc, prometheus.CounterValue, n.Hits)
	metric(missesDesc, prometheus.CounterValue, n.Misses)
	metric(rebuildsDesc, prometheus.CounterValue, n.Rebuilds)
	metric(evictionsDesc, prometheus.CounterValue, n.Evictions)
	metric(factoredDesc, prometheus.CounterValue, n.Factored)
	metric(waitingDesc, prometheus.GaugeValue, n.Waiting)
	metric(runningDesc, prometheus.GaugeValue, n.Running)
	out <- histogram(batchesDesc, n.Batches)
	out <- histogram(waitsDesc, n.Waits)
	for reason, value := range map[string]int64{"overload": n.Refused, "deadline": n.DeadlineExceeded, "gone": n.Canceled} {
		out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(value), reason)
	}
}

// histogram returns a metric with cumulative buckets, as Prometheus has them.
func histogram(d *prometheus.Desc, h runtime.Histogram) prometheus.Metric {
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range h.Counts {
		if total += uint64(n); i < len(h.Bounds) {
			buckets[h.Bounds[i]] = total
		}
	}
	return prometheus.MustNewConstHistogram(d, total, h.Sum, buckets)
}
