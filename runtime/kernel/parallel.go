package kernel

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
)

// workers is the most goroutines that one operation runs on. It is settled at
// start because callers size their scratch by it.
var workers = min(goruntime.GOMAXPROCS(0), 64)

// A task is an operation cut into units that may run in any order, at once.
// The worker number, below the number of workers asked for, tells which share
// of a scratch is the call's own.
type task interface {
	unit(worker, unit int)
}

// A job is one run of a task: helpers and the caller draw units until none is
// left.
type job struct {
	task    task
	units   int64
	next    atomic.Int64 // the next unit to draw
	worker  atomic.Int32 // the last worker number given out; the caller is 0
	helpers sync.WaitGroup
}

func (j *job) draw(worker int) {
	for {
		u := j.next.Add(1) - 1
		if u >= j.units {
			return
		}
		j.task.unit(worker, int(u))
	}
}

var (
	jobs = sync.Pool{New: func() any { return new(job) }}

	// idle hands a job to a helper that waits. It has no buffer: a job that
	// finds no helper waiting is done by its caller alone, so many requests at
	// once do not queue behind each other.
	idle         = make(chan *job)
	startHelpers sync.Once

	// running counts the operations under way. Each has a core of its own, and
	// only the rest of them is shared: a helper that has to wait for a core makes
	// its caller wait with it.
	running atomic.Int32
)

func help() {
	for j := range idle {
		j.draw(int(j.worker.Add(1)))
		j.helpers.Done()
	}
}

// run does a task's units, on the caller's goroutine and on as many idle
// helpers as there are, most in all at most.
func run(t task, units, most int) {
	defer running.Add(-1)
	if most = min(most, units, workers-int(running.Add(1))+1); most <= 1 {
		for u := 0; u < units; u++ {
			t.unit(0, u)
		}
		return
	}
	startHelpers.Do(func() {
		for range workers - 1 {
			go help()
		}
	})
	j := jobs.Get().(*job)
	j.task, j.units = t, int64(units)
	j.next.Store(0)
	j.worker.Store(0)
	offer(j, most-1)
	j.draw(0)
	j.helpers.Wait()
	j.task = nil
	jobs.Put(j)
}

func offer(j *job, helpers int) {
	for range helpers {
		j.helpers.Add(1)
		select {
		case idle <- j:
		default:
			j.helpers.Done()
			return
		}
	}
}
