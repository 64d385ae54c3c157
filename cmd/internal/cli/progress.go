package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far a long job is: a bar on a terminal, elsewhere a line for
// every tenth of a stage.
type Progress struct {
	w        io.Writer
	terminal bool
	stage    string
	bar      *progressbar.ProgressBar
	clear    bool // remove the bar when it ends
	tenths   int
	start    time.Time
	first    int // what was done when the stage began
	// Bytes holds the size of stages that are better shown in bytes than in parts.
	Bytes map[string]int64
}

// NewProgress returns a Progress that writes to w.
func NewProgress(w io.Writer) *Progress {
	f, ok := w.(*os.File)
	return &Progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Update shows that done of total parts of a stage are done. Another stage ends
// the one before.
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

// Spin shows a spinner on a terminal until Finish, for work of unknown length.
func (p *Progress) Spin(what string) {
	if !p.terminal {
		return
	}
	p.Finish()
	p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(what),
		progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true))
	p.clear = true
}

// scaled converts parts of the stage to bytes, if its size is known.
func (p *Progress) scaled(done int64, total int) int64 {
	if bytes := p.Bytes[p.stage]; bytes > 0 && total > 0 {
		return int64(float64(bytes) * float64(done) / float64(total))
	}
	return done
}

// rate returns the stage's rate, if its size is known, and the time left.
func (p *Progress) rate(done, total int) (text string) {
	took := time.Since(p.start).Seconds()
	if done <= p.first || took <= 0 {
		return ""
	}
	if p.Bytes[p.stage] > 0 {
		text = fmt.Sprintf(", %s/s", Size(int64(float64(p.scaled(int64(done-p.first), total))/took)))
	}
	if done < total {
		left := time.Duration(took * float64(total-done) / float64(done-p.first) * float64(time.Second))
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}

// Finish ends the line of the current stage, if there is one.
func (p *Progress) Finish() {
	if p.bar != nil {
		p.bar.Finish()
		if !p.clear {
			fmt.Fprintln(p.w)
		}
		p.bar, p.clear = nil, false
	}
	p.stage = ""
}
