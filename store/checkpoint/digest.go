package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
)

var errClosed = errors.New("the checkpoint is closed")

// Digest returns the SHA-256, in hexadecimal, of the canonical names, types, shapes and bytes
// of the tensors. It does not depend on the library that named the tensors or on how they
// are spread over files.
func (c *Checkpoint) Digest() (string, error) { return c.digest(func(string) error { return nil }) }

// Inspect does the work of CheckFinite and Digest in one pass over the weights, which it does
// not leave in memory. Once it has succeeded, later calls do not read them again: the files
// of an open checkpoint do not change.
func (c *Checkpoint) Inspect() (string, error) {
	c.inspectMu.Lock()
	defer c.inspectMu.Unlock()
	if c.inspected != "" && c.tensors != nil {
		return c.inspected, nil
	}
	digest, err := c.digest(c.checkFinite)
	if err == nil {
		c.inspected = digest
	}
	return digest, err
}

// digest returns the digest of the tensors, after calling check for each.
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
		h.Write(t.Data) // the length follows from type and shape
		c.Evict(name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writeText writes a string after its length. Everything that is hashed has a known length,
// so that no two checkpoints are hashed as the same bytes.
func writeText(h hash.Hash, s string) {
	writeNumber(h, len(s))
	h.Write([]byte(s))
}

func writeNumber(h hash.Hash, n int) {
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}
