package server

import (
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
)

// samples are the images that the page offers to try.
type samples struct {
	files fs.FS
	known map[string]bool // by path
	index sampleIndex
}

// sampleIndex is what the page reads to find them.
type sampleIndex struct {
	Samples []sample `json:"samples"`
}

// sample is one image. Variant and Label are "" where its path doesn't tell.
type sample struct {
	Path    string `json:"path"` // under /samples/
	Variant string `json:"variant"`
	Label   string `json:"label"`
}

// listSamples finds the images of a file system, none if it is nil.
func listSamples(files fs.FS) (*samples, error) {
	s := &samples{files: files, known: make(map[string]bool), index: sampleIndex{[]sample{}}}
	if files == nil {
		return s, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(mediaTypes[path.Ext(name)], "image/") {
			return err
		}
		variant, file := path.Split(name)
		s.known[name] = true
		s.index.Samples = append(s.index.Samples, sample{
			Path:    name,
			Variant: strings.TrimSuffix(variant, "/"),
			Label:   strings.TrimSuffix(file, path.Ext(file)),
		})
		return nil
	})
	return s, err
}

// getSample answers GET /samples/ with the index, and GET /samples/{path}.
func (s *Server) getSample(r *request) error {
	name, err := url.PathUnescape(utils.CopyString(r.Params("*")))
	if err != nil {
		return fiber.ErrNotFound
	}
	if name == "" {
		return r.answer(fiber.StatusOK, s.samples.index)
	}
	if !s.samples.known[name] {
		return fiber.ErrNotFound
	}
	a, err := loadAsset(s.samples.files, name)
	if err != nil {
		return err
	}
	return r.asset(a)
}
