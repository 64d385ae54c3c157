package learn

import (
	"eigenserve/store"
	"eigenserve/store/checkpoint"
)

// original is a checkpoint that the new basis of a refit was fitted on.
type original struct {
	*checkpoint.Checkpoint
	digest string
	used   bool // a variant was made from it
}

// originals holds the checkpoints of a refit, by the digest of their tensors and by name.
type originals struct {
	all              []*original
	byDigest, byName map[string]*original
}

// newOriginals returns originals of checkpoints, whose digests it takes from the sources
// of the basis.
func newOriginals(sources []store.Source, checkpoints []*checkpoint.Checkpoint) originals {
	digests := map[string]string{}
	for _, s := range sources {
		digests[s.Name] = s.Digest
	}
	out := originals{byDigest: map[string]*original{}, byName: map[string]*original{}}
	for _, c := range checkpoints {
		x := &original{Checkpoint: c, digest: digests[c.Name]}
		out.all = append(out.all, x)
		out.byDigest[x.digest], out.byName[x.Name] = x, x
	}
	return out
}

// find returns the original of the named variant, nil if there is none, and how it was
// found: by "digest" or by "name".
func (o originals) find(v *store.Variant, name string) (x *original, by string) {
	if x := o.byDigest[v.Provenance.Checkpoint]; x != nil {
		return x, "digest"
	}
	return o.byName[name], "name"
}
