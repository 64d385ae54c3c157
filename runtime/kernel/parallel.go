package kernel

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
)

// workers is the maximum number of goroutines that one operation uses. It is fixed
// at start because callers size their scratch by it.
var workers = min(goruntime.GOMAXPROCS(0), 64)

// A task is an operation cut into units, which may run in any order and at the same
// time. worker is less than the limit given to run, and no two units run at the same
// time with the same worker, so each worker may have its own part of a scratch.
type task interface {
	unit(worker, unit int)
}

// A job is one run of a task. The caller and its helpers claim units until none is
// left.
type job struct {
	task    task
	units   int64
	next    atomic.Int64 // the next unit to claim
	worker  atomic.Int32 // the last worker number assigned; the caller is 0
	helpers sync.WaitGroup
}

// work runs units until all are claimed.
func (j *job) work(worker int) {
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

	// idle hands a job to a waiting helper. It is unbuffered: if no helper is
	// waiting, the caller does the job alone, so that many parallel requests do not
	// queue behind each other.
	idle         = make(chan *job)
	startHelpers sync.Once

	// running counts the operations in progress. Each has a core already, and only
	// the other cores are worth sharing: a helper that waits for a core makes its
	// caller wait, too.
	running atomic.Int32
)

func help() {
	for j := range idle {
		j.work(int(j.worker.Add(1)))
		j.helpers.Done()
	}
}

// run runs a task's units on the caller's goroutine and on idle helpers, limit
// goroutines at most, and returns when all are done.
func run(t task, units, limit int) {
	defer running.Add(-1)
	if limit = min(limit, units, workers-int(running.Add(1))+1); limit <= 1 {
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
	offer(j, limit-1)
	j.work(0)
	j.helpers.Wait()
	j.task = nil
	jobs.Put(j)
}

// offer hands a job to as many idle helpers as there are, up to a number.
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
