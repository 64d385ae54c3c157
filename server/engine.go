package server

import (
	"context"

	"eigenserve/runtime"
	"eigenserve/server/oip"
)

// Engine is what the server needs of the engine. Every method may be called by many
// goroutines at once. Errors meant for the caller are *runtime.Error; the text of any
// other error is logged and never shown.
//
// A model is named by a reference: a name or an alias, "name:version" or "name@digest".
type Engine interface {
	oip.Engine

	// Classify answers one encoded image. The engine may keep image.
	Classify(ctx context.Context, name string, image []byte, o runtime.ClassifyOptions) (runtime.Answer, error)

	// Find returns the variants that a query selects.
	Find(q runtime.Query) (runtime.Found, error)
	// Versions returns the versions of a name, the oldest first.
	Versions(name string) ([]runtime.VersionInfo, error)
	// AddCheckpoint projects a full checkpoint onto a family's basis and adds it.
	AddCheckpoint(ctx context.Context, family, name string, u runtime.Upload) (info runtime.VariantInfo, replaced bool, err error)
	// DeleteVariant removes a name, or one version of it.
	DeleteVariant(ctx context.Context, name string) error
	// SetPinned rebuilds a variant and keeps it in the weight cache, or makes it
	// evictable again.
	SetPinned(ctx context.Context, name string, pinned bool) error

	Aliases() []runtime.Alias
	Alias(name string) (runtime.Alias, error)
	// PutAlias makes name stand for targets, for all requests at once.
	PutAlias(ctx context.Context, name string, targets []runtime.Target) (a runtime.Alias, replaced bool, err error)
	DeleteAlias(ctx context.Context, name string) error

	Families() []runtime.FamilyInfo
	Family(name string) (runtime.FamilyDetail, error)

	Ledger() runtime.Ledger
	Counters() runtime.Counters
}
