package gate

import (
	"eigenserve/runtime/family"
	"eigenserve/store"
)

// countBytes sets the sizes of a variant's parts. It encodes the file to measure the
// metadata, which contain these sizes.
func countBytes(v *store.Variant, source int64) error {
	parts := &v.Fidelity.Bytes
	parts.Source, parts.Private = source, family.PrivateBytes(v)
	file, err := v.Bytes()
	if err != nil {
		return err
	}
	parts.Metadata = int64(len(file)) - parts.Coefficients - parts.Private
	return nil
}

// File returns the file of a new variant. If it differs from the current version of the
// name only in the time, File returns that version's file, so that adding a checkpoint
// again makes no new version.
func File(s *store.Store, name string, v *store.Variant) ([]byte, error) {
	if e, err := s.Entry(name); err == nil {
		if current, err := s.ReadVariant(e.Digest); err == nil {
			again := *v
			again.Provenance.Added = current.Provenance.Added
			again.Fidelity.Bytes.Metadata = current.Fidelity.Bytes.Metadata // the time compresses to more or fewer bytes
			if file, err := again.Bytes(); err == nil && store.Digest(file) == e.Digest {
				return file, nil
			}
		}
	}
	return v.Bytes()
}
