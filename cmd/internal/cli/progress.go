package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far long work is: a bar on a terminal, else a line for
// every tenth of it.
type Progress struct {
	w        io.Writer
	terminal bool
	stage    string
	bar      *progressbar.ProgressBar
	clears   bool // the bar, when it ends
	tenths   int
	start    time.Time
	first    int // what was done when the stage began
	// bytes are what stages read in all, where that tells more than their parts.
	Bytes map[string]int64
}

func NewProgress(w io.Writer) *Progress {
	f, ok := w.(*os.File)
	return &Progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Update tells that done of total of a stage are done. A new stage ends the one
// before.
func (p *Progress) Update(stage string, done, total int) {
	if stage != p.stage {
		p.Finish()
		p.stage, p.tenths, p.start, p.first = stage, 0, time.Now(), done
		if p.terminal {
			p.bar = progressbar.NewOptions64(p.scaled(int64(total), total), progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(stage),
				progressbar.OptionSetWidth(40), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionShowBytes(p.Bytes[stage] > 0))
		}
	}
	if p.bar != nil {
		p.bar.Set64(p.scaled(int64(done), total))
		return
	}
	if tenth := 10 * done / max(total, 1); tenth > p.tenths {
		p.tenths = tenth
		fmt.Fprintf(p.w, "%s: %d%% after %v%s\n", stage, 10*tenth, time.Since(p.start).Round(100*time.Millisecond), p.rate(done, total))
	}
}

// Spin shows on a terminal, until end, that work goes on of which nobody knows how
// long it is.
func (p *Progress) Spin(what string) {
	if !p.terminal {
		return
	}
	p.Finish()
	p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(what),
		progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true))
	p.clears = true
}

// scaled turns parts of a stage into its bytes, if those are known.
func (p *Progress) scaled(done int64, total int) int64 {
	if bytes := p.Bytes[p.stage]; bytes > 0 && total > 0 {
		return int64(float64(bytes) * float64(done) / float64(total))
	}
	return done
}

// rate tells how fast a stage of known bytes goes on, and what is left of any.
func (p *Progress) rate(done, total int) (says string) {
	took := time.Since(p.start).Seconds()
	if done <= p.first || took <= 0 {
		return ""
	}
	if p.Bytes[p.stage] > 0 {
		says = fmt.Sprintf(", %s/s", Size(int64(float64(p.scaled(int64(done-p.first), total))/took)))
	}
	if done < total {
		left := time.Duration(took * float64(total-done) / float64(done-p.first) * float64(time.Second))
		says += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return says
}

// Finish finishes the last stage's line.
func (p *Progress) Finish() {
	if p.bar != nil {
		p.bar.Finish()
		if !p.clears {
			fmt.Fprintln(p.w)
		}
		p.bar, p.clears = nil, false
	}
	p.stage = ""
}
