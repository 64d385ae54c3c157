package kernel

import (
	"testing"
	"time"
)

func TestSelfTestPassesUnderEveryISA(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		start := time.Now()
		if err := selfTest(); err != nil {
			t.Fatal(err)
		}
		t.Logf("took %v", time.Since(start))
	})
}

func TestAgreeSeesNaNAndDifference(t *testing.T) {
	if agree([]float32{1}, []float32{1.001}) || agree([]float32{nan}, []float32{1}) || !agree([]float32{1}, []float32{1}) {
		t.Fatal("agree is wrong")
	}
}

func TestPeaksArePositive(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const d = 2 * time.Millisecond
		for name, rate := range map[string]float64{
			"FMA": PeakFMA(1, d), "read": ReadBandwidth(2, 1<<20, d), "copy": CopyBandwidth(2, 1<<20, d),
		} {
			if !(rate > 0) {
				t.Errorf("%s: %g", name, rate)
			}
		}
	})
}
