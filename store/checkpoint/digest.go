package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
)

var errClosed = errors.New("the checkpoint is closed")

// Digest is the SHA-256, in hex, of the tensors' canonical names, types, shapes
// and bytes. The same weights give the same digest whichever library named them
// and however they were spread over files.
func (c *Checkpoint) Digest() (string, error) { return c.digest(func(string) error { return nil }) }

// Inspect is CheckFinite and Digest in one pass over the weights. It leaves none
// of them in memory, and the next call does not read them again: nobody changes
// the files of an open checkpoint.
func (c *Checkpoint) Inspect() (string, error) {
	c.inspecting.Lock()
	defer c.inspecting.Unlock()
	if c.inspected != "" && c.tensors != nil {
		return c.inspected, nil
	}
	digest, err := c.digest(c.checkFinite)
	if err == nil {
		c.inspected = digest
	}
	return digest, err
}

func (c *Checkpoint) digest(check func(name string) error) (string, error) {
	if c.tensors == nil {
		return "", errClosed
	}
	h := sha256.New()
	for i, name := range c.names {
		if i+1 < len(c.names) {
			c.Prefetch(c.names[i+1])
		}
		if err := check(name); err != nil {
			return "", err
		}
		t := c.tensors[name]
		writeText(h, name)
		writeText(h, t.DType)
		writeNumber(h, len(t.Shape))
		for _, d := range t.Shape {
			writeNumber(h, d)
		}
		h.Write(t.Data) // its length follows from type and shape
		c.Evict(name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Every part has a length before it or a fixed one, so that no two checkpoints
// give the same bytes.
func writeText(h hash.Hash, s string) {
	writeNumber(h, len(s))
	h.Write([]byte(s))
}

func writeNumber(h hash.Hash, n int) {
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}
