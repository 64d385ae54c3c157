package gate

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"eigenserve/runtime/family"
	"eigenserve/store"
	"eigenserve/store/subspace"
	"eigenserve/store/tensorfile"
)

// projectorIdle is how long an unused projector is kept, since checkpoints are often
// added one after another.
const projectorIdle = 30 * time.Second

// projectorCache holds the projector of a basis while checkpoints are added, and for
// projectorIdle afterwards. A projector takes the memory of one and a half models.
type projectorCache struct {
	open func() (*store.Basis, error)

	current atomic.Pointer[openProjector] // nil if there is none; written under mu

	mu    sync.Mutex // guards users and idle, and is held while a projector is made
	users int
	idle  *time.Timer // drops current
}

// openProjector is a projector and the basis that it reads.
type openProjector struct {
	*subspace.Projector
	basis   *store.Basis
	cleanup goruntime.Cleanup
}

// closeFile closes the file of a projector that was garbage collected before it was
// closed. Tests replace it.
var closeFile = func(file *tensorfile.File) { file.Close() }

// acquire returns the projector, which it makes if there is none. The caller must call
// done once. Errors are not cached: the file may be restored.
func (c *projectorCache) acquire() (p *subspace.Projector, done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.current.Load()
	if current == nil {
		if current, err = c.make(); err != nil {
			return nil, nil, err
		}
		c.current.Store(current)
	}
	c.users++
	return current.Projector, c.release, nil
}

// make opens the basis and makes its projector.
func (c *projectorCache) make() (*openProjector, error) {
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	p, err := subspace.NewProjector(b)
	if err != nil {
		b.Close()
		return nil, family.Coded(err)
	}
	return &openProjector{p, b, goruntime.AddCleanup(b, closeFile, b.File())}, nil
}

// release ends one use. The last one starts the timer that drops the projector.
func (c *projectorCache) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	if c.idle != nil {
		c.idle.Stop()
	}
	c.idle = time.AfterFunc(projectorIdle, c.drop)
}

// drop closes the projector unless it is in use again.
func (c *projectorCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users > 0 {
		return
	}
	if current := c.current.Swap(nil); current != nil {
		current.close()
	}
}

// close closes the file and stops the cleanup, which would close it again.
func (p *openProjector) close() error {
	p.cleanup.Stop()
	return p.basis.Close()
}

// close closes the projector, which must not be in use.
func (c *projectorCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if current := c.current.Swap(nil); current != nil {
		return current.close()
	}
	return nil
}

// bytes returns the memory of the projector, and the part of it that is on the Go heap.
// The matrices of the basis are mapped from its file, their inverses are on the heap. It
// takes no lock: who asks for the memory must not wait until a projector is made.
func (c *projectorCache) bytes() (all, heap int64) {
	current := c.current.Load()
	if current == nil {
		return 0, 0
	}
	for i := range current.basis.Layers {
		l := &current.basis.Layers[i]
		all += int64(len(l.Mean.Data) + len(l.Left.Data) + len(l.Right.Data))
		heap += 4 * int64(l.Left.Len()+l.Right.Len())
	}
	return all + heap, heap
}

// Project calls f with the projector of the family and the coefficients of a checkpoint.
func (g *Gate) Project(s family.Source, f func(p *subspace.Projector, c *subspace.Coefficients) error) error {
	p, done, err := g.projector.acquire()
	if err != nil {
		return err
	}
	defer done()
	c, err := p.Project(s)
	if err != nil {
		return err
	}
	return f(p, c)
}
