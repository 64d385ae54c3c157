package catalogue

import (
	"github.com/spf13/cobra"

	"eigenserve/cmd/internal/cli"
	"eigenserve/runtime"
	"eigenserve/store"
)

// StoreFlag adds --store.
func StoreFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "store", "", "folder of the store")
}

// KeepVersionsFlag adds --keep-versions.
func KeepVersionsFlag(cmd *cobra.Command, keep *int) {
	*keep = store.DefaultKeep
	cmd.Flags().Var((*cli.CountValue)(keep), "keep-versions", "versions of a model to keep; more stay where an alias names them")
}

// OpenStore opens the store that --store names.
func OpenStore(dir string) (*store.Store, error) {
	if dir == "" {
		return nil, cli.Usagef("--store DIR is needed: the folder of the store")
	}
	return store.Open(dir)
}

// OpenEngine opens an engine on the store that --store names. Closing it is the
// caller's.
func OpenEngine(dir string) (*runtime.Engine, error) {
	s, err := OpenStore(dir)
	if err != nil {
		return nil, err
	}
	return runtime.Open(s, runtime.Options{})
}
