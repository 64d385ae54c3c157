package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work is: a bar on a terminal, else a line for
// every tenth of it.
type progress struct {
	w        io.Writer
	terminal bool
	stage    string
	bar      *progressbar.ProgressBar
	tenth    int
	began    time.Time
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// show tells that done of total of a stage are done. A new stage ends the one
// before.
func (p *progress) show(stage string, done, total int) {
	if stage != p.stage {
		p.end()
		p.stage, p.tenth, p.began = stage, 0, time.Now()
		if p.terminal {
			p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(stage),
				progressbar.OptionSetWidth(40), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
		}
	}
	if p.bar != nil {
		p.bar.Set(done)
		return
	}
	if tenth := 10 * done / max(total, 1); tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.w, "%s: %d%% after %v\n", stage, 10*tenth, time.Since(p.began).Round(100*time.Millisecond))
	}
}

// end finishes the last stage's line.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
		fmt.Fprintln(p.w)
		p.bar = nil
	}
	p.stage = ""
}
