// Package version says which version of the program this is. It knows no versions of
// formats: each format's package has its own.
package version

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
)

// Version is the program's version.
const Version = "0.2.0"

// Describe returns the version and how the program was built: the commit, where the
// build recorded one, the Go version and the platform.
func Describe() string {
	text := "eigenserve " + Version
	if commit := commit(); commit != "" {
		text += "\ncommit " + commit
	}
	return text + fmt.Sprintf("\n%s %s/%s", goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
}

// commit returns the revision that the program was built from, and its time.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := settings["vcs.revision"]
	if text == "" {
		return ""
	}
	if at := settings["vcs.time"]; at != "" {
		text += ", " + at
	}
	if settings["vcs.modified"] == "true" {
		text += ", with local changes"
	}
	return text
}
