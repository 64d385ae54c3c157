package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
)

// mediaTypes are the media types of the files that are served, by extension.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".gif":  "image/gif",
	".webp": "image/webp",
}

// Asset is a file ready to be sent.
type Asset struct {
	Body      []byte
	MediaType string
	ETag      string
}

// Assets returns the page's files by name.
func Assets() (map[string]Asset, error) {
	entries, err := fs.ReadDir(Files, ".")
	if err != nil {
		return nil, err
	}
	assets := make(map[string]Asset, len(entries))
	for _, e := range entries {
		if assets[e.Name()], err = loadAsset(Files, e.Name()); err != nil {
			return nil, err
		}
	}
	return assets, nil
}

func loadAsset(files fs.FS, name string) (Asset, error) {
	mediaType, ok := mediaTypes[path.Ext(name)]
	if !ok {
		return Asset{}, fmt.Errorf("%q has no known media type", name)
	}
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return Asset{}, err
	}
	sum := sha256.Sum256(body)
	return Asset{body, mediaType, `"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}
