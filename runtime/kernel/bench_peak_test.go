package kernel

import "testing"

// peakRates returns the operations per second of processor time in registers only, for
// float32 and for BF16 (float32's again if there are no BF16 products).
func peakRates() (f32, bf16 float64) {
	rate := func(work func(rounds int) float64) float64 {
		best := 0.0
		for range 5 {
			start, ops := cpuTime(), 0.0
			for range 400 {
				ops += work(5000)
			}
			if s := (cpuTime() - start).Seconds(); s > 0 {
				best = max(best, ops/s)
			}
		}
		return best
	}
	f32 = rate(fmaRounds)
	if bf16 = f32; multipliesBF16() {
		bf16 = rate(bf16Rounds)
	}
	return f32, bf16
}

// perCPU runs work and reports its operations per second of processor time, and their
// ratio to the peak.
func perCPU(b *testing.B, ops, peak float64, work func()) {
	work()
	start := cpuTime()
	for b.Loop() {
		work()
	}
	s := (cpuTime() - start).Seconds()
	rate := ops * float64(b.N) / s
	b.ReportMetric(rate*1e-9, "GFLOP/cpu-s")
	b.ReportMetric(rate/peak, "of-peak")
	b.ReportMetric(s/float64(b.N)*1e6, "cpu-us/op")
}
