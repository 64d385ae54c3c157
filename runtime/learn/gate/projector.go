package gate

import (
	goruntime "runtime"
	"sync"
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

	mu      sync.Mutex // guards current, users and idle, and is held while a projector is made
	current *openProjector
	users   int
	idle    *time.Timer // drops current
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
	if c.current == nil {
		if c.current, err = c.make(); err != nil {
			return nil, nil, err
		}
	}
	c.users++
	return c.current.Projector, c.release, nil
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
	if c.users == 0 && c.current != nil {
		c.current.close()
		c.current = nil
	}
}

// close closes the file and stops the cleanup, which would close it again.
func (p *openProjector) close() error {
	p.cleanup.Stop()
	return p.basis.Close()
}

// close closes the projector, which must not be in use.
func (c *projectorCache) close() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		err = c.current.close()
		c.current = nil
	}
	return err
}

// bytes returns the memory of the projector, and the part of it that is on the Go heap.
// The matrices of the basis are mapped from its file, their inverses are on the heap.
func (c *projectorCache) bytes() (all, heap int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return 0, 0
	}
	for i := range c.current.basis.Layers {
		l := &c.current.basis.Layers[i]
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
