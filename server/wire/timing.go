package wire

import (
	"strconv"
	"strings"
	"time"

	"eigenserve/runtime"
)

// HeaderTiming is the header of an answer that says where the time went.
const HeaderTiming = "Server-Timing"

// Stage is one stage of an inference and how long it took.
type Stage struct {
	Name string
	Took time.Duration
}

// Stages returns the stages of an inference.
func Stages(t runtime.Timing) []Stage {
	return []Stage{
		{"queue", t.Queue}, {"rebuild", t.Rebuild}, {"preprocess", t.Preprocess}, {"compute", t.Compute},
	}
}

// ServerTiming returns the value of HeaderTiming, in milliseconds.
func ServerTiming(t runtime.Timing) string {
	var b strings.Builder
	for _, stage := range Stages(t) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(stage.Name + ";dur=")
		b.WriteString(strconv.FormatFloat(stage.Took.Seconds()*1000, 'f', 3, 64))
	}
	if t.Weights != "" {
		b.WriteString(", weights;desc=" + t.Weights)
	}
	return b.String()
}
