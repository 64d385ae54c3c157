package catalogue

import (
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
	"eigenserve/store"
)

// StoreFlag declares --store.
func StoreFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "store", "", "`folder` of the store")
}

// KeepVersionsFlag declares --keep-versions.
func KeepVersionsFlag(cmd *cobra.Command, keep *int) {
	cmd.Flags().Var(cli.Count(keep, store.DefaultKeep), "keep-versions", "versions of a model to keep; those that an alias names are kept as well")
}

// OpenStore opens the store in the folder that --store named.
func OpenStore(dir string) (*store.Store, error) {
	if dir == "" {
		return nil, cli.Usagef("--store DIR is required: the folder of the store")
	}
	return store.Open(dir)
}

// OpenEngine opens an engine on the store in the folder that --store named. The
// caller must close it.
func OpenEngine(dir string) (*runtime.Engine, error) {
	s, err := OpenStore(dir)
	if err != nil {
		return nil, err
	}
	return runtime.Open(s, runtime.Options{})
}
