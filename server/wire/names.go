package wire

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"eigenserve/runtime"
)

// CheckName returns an error for a name that nothing can have. Which names are free to
// use is up to the engine; here a name must be one segment of text, so that no layer
// below reads a path or a control character out of it. what is the kind of thing
// named, for the error.
func CheckName(what, name string) error {
	bad := func(c rune) bool { return c == '/' || c == '\\' || unicode.IsControl(c) }
	if name == "" || len(name) > 255 || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) || strings.Contains(name, "..") {
		return runtime.Errorf(runtime.Invalid, "%.300q is not a valid %s name", name, what)
	}
	return nil
}

// Reference joins a name and the number of a version into a reference that the engine
// reads. An empty version stands for the current one.
func Reference(name, version string) (string, error) {
	if version == "" {
		return name, nil
	}
	if n, err := strconv.ParseUint(version, 10, 31); err != nil || n == 0 {
		return "", runtime.Errorf(runtime.Invalid, "%.40q is not a version: versions are numbers from 1", version)
	}
	return name + ":" + version, nil
}

// Headers of an answer that name what made it.
const (
	HeaderVariant = "Eigenserve-Variant" // name@digest
	HeaderBasis   = "Eigenserve-Basis"   // digest
	// HeaderFunction names the function that turned logits into scores: softmax, sigmoid
	// or none.
	HeaderFunction = "Eigenserve-Function"
)

// VariantHeader returns the value of HeaderVariant.
func VariantHeader(name, digest string) string { return url.PathEscape(name) + "@" + digest }
