package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"eigenserve/store/tensorfile"
)

// impostors are contents that files have by mistake, by how they begin. A safetensors file
// may begin with any bytes, so that only one that is invalid is looked up here.
var impostors = []struct{ begins, what string }{
	{"version https://git-lfs", gitLFS},
	{"version https://hawser", gitLFS}, // the former name
	{"<!doctype", webPage},
	{"<html", webPage},
	{"<?xml", webPage},
	{"PK\x03\x04", "a zip archive, such as PyTorch's pickle: convert it to safetensors"},
	{"\x80\x02", "a pickle: convert it to safetensors"},
	{"GGUF", "a GGUF file: " + useOriginal},
	{"\x89HDF", "an HDF5 file of TensorFlow: " + useOriginal},
}

const (
	gitLFS  = "a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned"
	webPage = "an HTML page, not the file itself: download it again, with a login if it needs one"
)

// impostor returns an error if a file that cannot be read begins like something else.
func impostor(name string, data []byte) error {
	const enough = 512
	start := bytes.TrimLeft(data[:min(len(data), enough)], "\ufeff \t\r\n")
	if len(data) == 0 {
		return fmt.Errorf("%s is empty: save or download it again", name)
	}
	for _, x := range impostors {
		if bytes.HasPrefix(start, []byte(x.begins)) || bytes.HasPrefix(bytes.ToLower(start), []byte(x.begins)) {
			return fmt.Errorf("%s is %s", name, x.what)
		}
	}
	return nil
}

// textInstead returns an error if a file of weights is a short text, such as the message of
// a server that refused a download.
func textInstead(name string, data []byte) error {
	const short = 4096
	if len(data) > short || !utf8.Valid(data) || bytes.ContainsFunc(data, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		return nil
	}
	return fmt.Errorf("%s is text (%.60q), not the file itself: download it again", name, data)
}

// openTensors opens a file of weights in a folder.
func openTensors(dir, name string) (*tensorfile.File, error) {
	path := filepath.Join(dir, name)
	f, err := tensorfile.Open(path)
	if !errors.Is(err, tensorfile.ErrHeader) {
		return f, err
	}
	if info, statErr := os.Stat(path); statErr != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	start, readErr := os.Open(path)
	if readErr != nil {
		return nil, err
	}
	defer start.Close()
	data, readErr := io.ReadAll(io.LimitReader(start, 1<<13))
	if readErr != nil {
		return nil, err
	}
	return nil, explainWeights(name, data, err)
}

// ParseWeights checks a file of weights in memory, such as an upload, as tensorfile.Parse
// does. If it is something else, the error says what.
func ParseWeights(data []byte) (*tensorfile.File, error) {
	f, err := tensorfile.Parse(data)
	if err != nil {
		return nil, explainWeights("the file", data, err)
	}
	return f, nil
}

// explainWeights returns a better error than err for an invalid file of weights, if there
// is one. Both wrap tensorfile.ErrHeader.
func explainWeights(name string, data []byte, err error) error {
	for _, explain := range []func(string, []byte) error{impostor, textInstead} {
		if e := explain(name, data); e != nil {
			return fmt.Errorf("%w: %w", tensorfile.ErrHeader, e)
		}
	}
	return err
}
