package tensorfile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Remove removes the file at path; once it returns nil, a crash does not bring
// the file back.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("tensorfile: remove: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}
