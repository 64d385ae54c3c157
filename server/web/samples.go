package web

import (
	"io/fs"
	"path"
	"strings"
)

// Samples are the images that the page offers to try.
type Samples struct {
	files fs.FS
	known map[string]bool // by path
	index SampleIndex
}

// SampleIndex lists the samples for the page.
type SampleIndex struct {
	Samples []Sample `json:"samples"`
}

// Sample is one image. Variant and Label are "" where its path does not say.
type Sample struct {
	Path    string `json:"path"` // under /samples/
	Variant string `json:"variant"`
	Label   string `json:"label"`
}

// FindSamples returns the images of a file system, none if it is nil.
func FindSamples(files fs.FS) (*Samples, error) {
	s := &Samples{files: files, known: make(map[string]bool), index: SampleIndex{[]Sample{}}}
	if files == nil {
		return s, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(mediaTypes[path.Ext(name)], "image/") {
			return err
		}
		variant, file := path.Split(name)
		s.known[name] = true
		s.index.Samples = append(s.index.Samples, Sample{
			Path:    name,
			Variant: strings.TrimSuffix(variant, "/"),
			Label:   strings.TrimSuffix(file, path.Ext(file)),
		})
		return nil
	})
	return s, err
}

// Index returns the list of the samples.
func (s *Samples) Index() SampleIndex { return s.index }

// Load returns a sample by its path. ok is false if there is none.
func (s *Samples) Load(name string) (a Asset, ok bool, err error) {
	if !s.known[name] {
		return Asset{}, false, nil
	}
	a, err = loadAsset(s.files, name)
	return a, true, err
}
